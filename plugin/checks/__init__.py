"""What `wetread check` looks at; each failure comes with its remedy.

=====================  ==========================================================
`everything.py`        the order of all checks
`machine.py`           address, broker, clock, worker; `models.py`; `jwks.py`
`ehr.py`               one EHR, from its address to a dry write
`discovery.py`         does it answer, and is it the right address; `reachability.py` says why not
`promises.py`          what its documents promise, against what this configuration needs
`registered.py`        what to enter at the EHR, and whether it knows this client
`sign_in_page.py`      may the sign-in page be shown in a frame
`granted.py`           scopes of the newest open launch, and of unattended reading
`imaging.py`           study, Endpoint, archive, whose images; `patient_numbers.py`
`writing.py`           a dry `$validate` of report and Observation
=====================  ==========================================================
"""

from plugin.checks.everything import all_checks
from plugin.checks.result import Result

__all__ = ["Result", "all_checks"]
