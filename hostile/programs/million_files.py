"""Makes a million empty files."""

from told import refused, tell

made, why = 0, ""
try:
    for number in range(10**6):
        open(f"/iexec_out/{number}", "wb").close()
        made += 1
except OSError as fault:
    why = refused(fault)
tell(files=made, refused=why)
