"""Static files as they are kept to be served."""

from typing import Any

from whitenoise.compress import Compressor
from whitenoise.storage import CompressedStaticFilesStorage


class GzippedStaticFilesStorage(CompressedStaticFilesStorage):
    """With a gzipped copy of each file; Brotli would take ten seconds of each start for a tenth."""

    def create_compressor(self, **kwargs: Any) -> Compressor:
        """Return what compresses."""
        return Compressor(use_brotli=False, **kwargs)
