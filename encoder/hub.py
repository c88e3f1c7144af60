"""An encoder as huggingface_hub knows models: `from_pretrained`, `save_pretrained`, `push_to_hub`.

A folder keeps this project's own format (config.json, model.safetensors, README.md), so that a run folder, a folder of
`save_pretrained` and a repository of the hub are one and the same thing to `load_encoder`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from huggingface_hub import ModelHubMixin, snapshot_download

from encoder.run_folder import write_atomically
from skin_teleop.errors import ConfigError

if TYPE_CHECKING:
    from encoder.checkpoint import EncoderConfig
    from encoder.model import SparshSkinEncoder

HUB_FILES = ("config.json", "model.safetensors", "README.md")


class HubModel(ModelHubMixin, library_name="skin-teleop", tags=["tactile", "sparsh-skin", "uskin"]):
    """Mix-in of the encoder; nothing is looked up on a network where a folder is named."""

    described: EncoderConfig | None = None
    """What the encoder was loaded with; an encoder made from nothing has no description and cannot be saved."""
    card: str = ""
    """Its model card, where its folder had one."""

    def _save_pretrained(self, save_directory: Path) -> None:
        from encoder.checkpoint import save_encoder  # the module of the encoder's files needs the encoder's class

        if self.described is None:
            raise ConfigError(
                f"an encoder was to be saved in {save_directory}",
                found="an encoder without a description of its window, geometry and data",
                allowed="an encoder of load_encoder or from_pretrained",
                next_step="encoder.checkpoint.save_encoder(folder, encoder, config)",
            )
        if self.card:
            write_atomically(save_directory / "README.md", self.card.encode())
        save_encoder(save_directory, cast("SparshSkinEncoder", self), self.described)

    @classmethod
    def _from_pretrained(
        cls,
        *,
        model_id: str,
        revision: str | None,
        cache_dir: str | Path | None,
        force_download: bool,
        local_files_only: bool,
        token: str | bool | None,
        **_config: Any,
    ) -> Self:
        """Load a folder, or a repository that is fetched first; config.json decides, not what the mix-in read of it."""
        from encoder.checkpoint import load_encoder

        folder = Path(model_id)
        if not folder.is_dir():
            folder = Path(
                snapshot_download(
                    model_id,
                    revision=revision,
                    cache_dir=cache_dir,
                    force_download=force_download,
                    local_files_only=local_files_only,
                    token=token,
                    allow_patterns=list(HUB_FILES),
                )
            )
        return cast(Self, load_encoder(folder))
