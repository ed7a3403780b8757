"""Everything that a job works with: what the worker process shares, and what one launch may use.

Worker only: this module and those that it imports decode pixels and run models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from inference import rendering
from inference.errors import NotAnImage
from inference.patient_age import with_birth_date
from inference.registry import choose_model, load_model, model_names
from plugin.database import Database
from plugin.errors import PluginError
from plugin.imaging.allowance import Allowance
from plugin.imaging.cache import ImageCache
from plugin.imaging.endpoints import Archive, ArchiveRules
from plugin.imaging.imaging_study import Study
from plugin.imaging.pacs import Pacs
from plugin.imaging.study_images import FetchedStudy, fetch_study
from plugin.imaging.warm_images import StudyImage, WarmImages
from plugin.launching.launches import OpenLaunch
from plugin.record import Record, record_of
from plugin.reporting.site_prevalence import Prevalence, site_prevalence
from plugin.services import Services
from plugin.settings import Settings
from smart_launch.http import Http, HttpLimits

if TYPE_CHECKING:
    from inference.images import DicomFacts
    from inference.model import Model
    from inference.model_facts import ModelFacts
    from inference.prediction import Prediction
    from plugin.ehrs import Ehr

# Longest side of what the page shows; heat maps are drawn to the same size.
SHOWN_PIXELS = 1024
# `read_image` imports these when it first needs them; a clinician should not wait for that.
DECODERS = ("inference.dicom_file", "inference.picture_file")


class NoModelFits(PluginError):  # noqa: N818 (the user reads it as an answer)
    """No installed model is made for these images."""

    code = "modality"
    title = "No installed model reads these images"
    next_step = "Choose another study."
    status = 409


@dataclass(frozen=True)
class Workshop:
    """What all jobs of a worker share; the models are loaded and warm.

    Attributes
    ----------
    models : mapping
        Name to opened model.
    pacs_http : Http
        With limits that fit images.
    """

    services: Services
    models: Mapping[str, Model]
    cache: ImageCache
    warm: WarmImages
    pacs_http: Http

    @property
    def modalities(self) -> frozenset[str]:
        """DICOM modalities that some model reads."""
        return frozenset(m for model in self.models.values() for m in model.facts.modalities)

    def bench_for(self, launch: OpenLaunch, study_id: str) -> Workbench:
        """Lay out what a job of this launch may use."""
        ehr = launch.ehr
        return Workbench(
            shop=self,
            record=record_of(self.services, launch),
            archives=ArchiveRules(ehr.issuer, ehr.pacs_origins),
            folder=self.cache.folder(launch.id, study_id),
        )


@dataclass(frozen=True)
class Workbench:
    """What one job works with.

    Attributes
    ----------
    record : Record
        The patient's record with this user's rights.
    folder : Path
        Where this launch keeps what belongs to the study.
    """

    shop: Workshop
    record: Record
    archives: ArchiveRules
    folder: Path

    @property
    def database(self) -> Database:
        """The rows."""
        return self.shop.services.database

    @property
    def modalities(self) -> frozenset[str]:
        """DICOM modalities that some model reads."""
        return self.shop.modalities

    def fetch(self, study: Study) -> FetchedStudy:
        """Get the study's files, from the cache or from its archive."""
        shop, settings = self.shop, self.shop.services.settings
        allowance = Allowance(
            images=settings.study_images,
            image_bytes=settings.image_megabytes * 1024**2,
            study_bytes=settings.study_megabytes * 1024**2,
        )

        def pacs_of(archive: Archive) -> Pacs:
            return Pacs(shop.pacs_http, archive, self.record.token)

        with shop.cache.lock(self.folder):
            return fetch_study(study, pacs_of, shop.cache, self.folder, self.modalities, allowance)

    def images(
        self, fetched: FetchedStudy, birth_date: str | None, started: str | None
    ) -> tuple[StudyImage, ...]:
        """Give the images among the files; none is decoded before it is opened.

        Parameters
        ----------
        birth_date, started : str or None
            Of the patient and of the study in the chart: what they say about the age counts too.

        Raises
        ------
        NotAnImage
        """
        found = tuple(
            StudyImage(path, with_birth_date(facts, birth_date, started), self.shop.warm)
            for path, facts in zip(fetched.files, fetched.facts, strict=True)
            if facts.holds_image
        )
        if not found:
            raise NotAnImage("A study must hold at least one image; this one holds none.")
        return found

    def pictures(self, fetched: FetchedStudy) -> Path:
        """Give the folder of what is drawn of these files."""
        return self.shop.cache.pictures(self.folder, fetched.mark)

    def model_for(self, facts: Sequence[DicomFacts]) -> Model:
        """Choose the model that is made for these images.

        Raises
        ------
        NoModelFits
        """
        configured = self.shop.services.settings.model
        name = configured or choose_model(facts)
        if name is None or name not in self.shop.models:
            raise NoModelFits("Images are read by a model that is made for them; none is.")
        return self.shop.models[name]

    def draw_heat_map(self, prediction: Prediction, images: Sequence[StudyImage]) -> bytes | None:
        """Draw the heat map over the image that was read; None without one."""
        if prediction.heat_map is None:
            return None
        facts = images[prediction.image_index].facts
        rows, columns = facts.rows or 1, facts.columns or 1
        scale = min(1.0, SHOWN_PIXELS / max(rows, columns))
        shape = max(1, round(rows * scale)), max(1, round(columns * scale))
        return rendering.heat_map_png(prediction, shape)

    def card_address(self, model: str) -> str:
        """Public address of a model's card."""
        return f"{self.shop.services.settings.base_url}/models/{model}"

    def site_prevalence(self, facts: ModelFacts, ehr: Ehr) -> Prevalence | None:
        """The prevalence that was set for this model's readings at this EHR."""
        return site_prevalence(facts, ehr, self.shop.services.settings.prevalence)


def open_workshop(services: Services) -> Workshop:
    """Load and check the models and lay out the rest; once, when a worker starts.

    Raises
    ------
    InferenceError
        A model folder breaks its contract: the worker must not start.
    """
    settings = services.settings
    for module in DECODERS:
        import_module(module)
    names = (settings.model,) if settings.model else model_names()
    threads = settings.model_threads or None
    models = {n: load_model(n, runtime=settings.model_runtime, threads=threads) for n in names}
    return Workshop(
        services=services,
        models=models,
        cache=ImageCache(settings.data_dir),
        warm=WarmImages(),
        pacs_http=_image_http(settings),
    )


def _image_http(settings: Settings) -> Http:
    return Http(HttpLimits(read_s=settings.http_timeout_s))
