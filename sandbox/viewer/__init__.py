"""The clinical viewer: patient list, chart, images, reports, and the frame of a SMART client.

Pages are made on the server and carry no third-party script. The viewer reads the record with the
hospital's own rights behind a session of its own: bearer tokens are for clients only.
"""

from sandbox.viewer import api, cards, pages, pictures, reports, upload  # noqa: F401  their routes
from sandbox.viewer.door import blueprint

__all__ = ["blueprint"]
