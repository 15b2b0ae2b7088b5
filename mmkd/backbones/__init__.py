"""Backbones that MMDetection lacks: VGG of any width, and the networks of timm."""

from .timm_backbone import TimmBackbone
from .vgg import VGG

__all__ = ['VGG', 'TimmBackbone']
