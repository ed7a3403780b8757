"""The demo: the sandbox hospital and Wetread side by side, each in processes of its own.

`files.py` writes the configuration of both sides, `processes.py` starts and stops them,
`drive.py` walks the way of a clinician's click over HTTP. The sandbox is started as a command,
never imported: it is the other side.
"""
