import numpy as np
from sface_lib.population.heads import HeadModel, Shape
DIRECTIONS=40
def shapes(model, n, seed, mm=2.4):
    names=model.change_names; sizes=model.change_sizes()
    keys=[k[2:] if k[:2] in ('l-','r-') else k for k in names]; uniq=sorted(set(keys)); idx=np.array([uniq.index(k) for k in keys])
    rng=np.random.default_rng(12345); W=rng.normal(size=(len(uniq),DIRECTIONS)); W/=np.linalg.norm(W,axis=1,keepdims=True)
    r=np.random.default_rng(seed)
    sd=np.minimum(.4,mm/sizes)
    c=np.clip(r.normal(size=(n,DIRECTIONS))@W.T,-2,2)[:,idx]*sd
    sided=np.array([k[:2] in ('l-','r-') for k in names]); across=np.array([('trans-out' in k or 'angle-out' in k) for k in names])&~sided
    c[:,across]*=.12
    c+=r.normal(size=c.shape)*.12*sd*sided
    g=np.where(r.random(n)<.5,r.beta(2,8,n),r.beta(8,2,n))
    return Shape(g,.6+.4*r.beta(1.3,2,n),.1+.8*r.beta(3,3,n),r.dirichlet([.35]*3,n),np.clip(c,-1,1))
