"""Face recognition: backbones, margin heads, strategies, training, embeddings, evaluation."""

from sface_lib.recognition.backbones import IResNet, MobileFaceNet, TorchvisionNetwork
from sface_lib.recognition.embedder import Embedder, keep_embeddings
from sface_lib.recognition.embedding import PIXELS_PX, embed_batches, embed_faces, image_batches, pixel_embeddings
from sface_lib.recognition.evaluation import (
    TRAINED_OUT,
    Evaluation,
    ProtocolPairs,
    accuracy_by_group,
    evaluate,
    late_spread,
    learnt,
    resolve_pairs,
    trade_off,
    used_images,
    verify,
)
from sface_lib.recognition.given_embeddings import GivenEmbeddings
from sface_lib.recognition.heads import HEADS, Head, MarginHead, arcface_logits, cosface_logits, elastic_margins
from sface_lib.recognition.models import BACKBONES, Backbone, InputSpec, RecognitionModel, make_backbone
from sface_lib.recognition.recipe import RecognitionRecipe, TrainingRecipe
from sface_lib.recognition.strategies import STRATEGIES, Classification, CombinedLearning, KnowledgeTransfer, Strategy
from sface_lib.recognition.teaching import CachedTeacher, LiveTeacher, TeacherViews, teach
from sface_lib.recognition.training import RecognitionTrainer, Validation, untrained_model
from sface_lib.recognition.weights import open_model

__all__ = [
    "CachedTeacher",
    "TeacherViews",
    "Classification",
    "CombinedLearning",
    "Evaluation",
    "GivenEmbeddings",
    "BACKBONES",
    "HEADS",
    "Backbone",
    "Head",
    "IResNet",
    "InputSpec",
    "KnowledgeTransfer",
    "LiveTeacher",
    "MarginHead",
    "MobileFaceNet",
    "Embedder",
    "PIXELS_PX",
    "ProtocolPairs",
    "RecognitionModel",
    "RecognitionRecipe",
    "RecognitionTrainer",
    "Strategy",
    "TrainingRecipe",
    "STRATEGIES",
    "TRAINED_OUT",
    "Validation",
    "TorchvisionNetwork",
    "arcface_logits",
    "accuracy_by_group",
    "cosface_logits",
    "elastic_margins",
    "embed_batches",
    "embed_faces",
    "evaluate",
    "image_batches",
    "keep_embeddings",
    "late_spread",
    "learnt",
    "make_backbone",
    "open_model",
    "pixel_embeddings",
    "resolve_pairs",
    "teach",
    "trade_off",
    "untrained_model",
    "used_images",
    "verify",
]
