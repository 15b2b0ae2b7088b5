"""Names of classes as the log writes them."""

import re


def snake_case(name: str) -> str:
    """``ProposalMimic`` as ``proposal_mimic``, ``FGFI`` as ``fgfi``."""
    return re.sub(r'(?<=[a-z0-9])(?=[A-Z])', '_', name).lower()
