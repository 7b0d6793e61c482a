"""What happens before there is a virtualenv: Debian's packages, `.venv`, and cleaning up.

Run by the system's python3 as `python3 -m bootstrap COMMAND`; standard library only.
"""
