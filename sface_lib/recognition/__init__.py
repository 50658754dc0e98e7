"""Face recognition: backbones, margin heads, strategies, training, embeddings, evaluation."""

from sface_lib.recognition.backbones import IResNet, MobileFaceNet
from sface_lib.recognition.embedding import PIXELS_PX, embed_batches, embed_faces, image_batches, pixel_embeddings
from sface_lib.recognition.evaluation import Evaluation, ProtocolPairs, evaluate, learnt, resolve_pairs
from sface_lib.recognition.heads import CosFace, cosface_logits
from sface_lib.recognition.models import InputSpec, RecognitionModel, open_model
from sface_lib.recognition.strategies import Classification, CombinedLearning, KnowledgeTransfer
from sface_lib.recognition.training import RecognitionRecipe, RecognitionTrainer, TaughtBatches, untrained_model

__all__ = [
    "Classification",
    "CombinedLearning",
    "CosFace",
    "Evaluation",
    "IResNet",
    "InputSpec",
    "KnowledgeTransfer",
    "MobileFaceNet",
    "PIXELS_PX",
    "ProtocolPairs",
    "RecognitionModel",
    "RecognitionRecipe",
    "RecognitionTrainer",
    "TaughtBatches",
    "cosface_logits",
    "embed_batches",
    "embed_faces",
    "evaluate",
    "image_batches",
    "learnt",
    "open_model",
    "pixel_embeddings",
    "resolve_pairs",
    "untrained_model",
]
