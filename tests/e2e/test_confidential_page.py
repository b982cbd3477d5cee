"""The page on confidential tasks is typed as it is printed, on a devnet of *simulated* enclaves."""

from __future__ import annotations

from contextlib import closing

import pytest
from typist import Newcomer, address_in

from typed_lines import program, ran, typed_lines

PAGE = "docs/how-to/confidential.md"


class Requester(Newcomer):
    """A newcomer who leaves when the test is over."""

    def close(self) -> None:
        self.leaves()


@pytest.mark.executes("docs/how-to/confidential.md")
@pytest.mark.timeout(600)
def test_what_nobody_may_see_is_hidden_bought_and_read_as_printed(enclaves, tmp_path):
    served = {
        r"~/\.poolhand/devnet/files": str(enclaves.home / "files"),
        r"https://files\.example": enclaves.info.files_url,
    }
    with closing(Requester(tmp_path / "me", served)) as me:
        me.types(f"export POOLHAND_HOME={enclaves.home}")
        wallet = address_in(me.types("poolhand wallet create"))  # others push keys of the devnet's
        me.types(f"poolhand devnet faucet {wallet}")
        me.types(f"export POOLHAND_WALLET={wallet} POOLHAND_WALLET_PASSWORD='{me.password}'")
        me.types("poolhand account deposit 50")
        for line in typed_lines(PAGE):
            if "devnet up" in line:
                continue
            if "results decrypt" in line:
                (archive,) = (me.home / "results").glob("*.zip")
                me.fills[r"0x…\.zip"] = archive.name
            printed = me.types(line)
            if "dataset deploy" in line:
                me.fills[r"0x…(?!\.zip)"] = address_in(printed)
        assert "--change" in me.types("poolhand results push-key 2>&1 | grep -e --change")
        (opened,) = (me.home / "results").glob("*.decrypted.zip")
        assert opened.stat().st_size
        text = program(PAGE, "python")
        (me.home / "notes.py").write_text(me._filled(text))
        printed = me.types("python notes.py")
        assert "badgers" in printed
        ran(text)
