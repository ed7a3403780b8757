"""DICOMweb (DICOM PS3.18) of the demo hospital: a folder of files, or a gateway to a real PACS.

``service.py`` is the contract; ``folder_service.py`` and ``remote.py`` keep it, ``routes.py`` puts
the hospital's access rules in front of whichever is open.
"""

from sandbox.dicomweb.routes import blueprint

__all__ = ["blueprint"]
