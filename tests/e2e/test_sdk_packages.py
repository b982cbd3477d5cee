"""npm's @iexec/dataprotector and @iexec/web3mail, unmodified, on *simulated* enclaves.

There is no subgraph here, and not DataProtector's own contract: what wants one says so.
"""

from __future__ import annotations

import json

from sdk_confidential import ConfidentialTrade
from sdk_project import HERE
from sdk_story import key_in
from sdk_trade import address_of

MOST = 10**10
"""nRLC for one task."""
NO_SUBGRAPH = "request to http://127.0.0.1:9/ failed, reason: connect ECONNREFUSED 127.0.0.1:9"
WANT_SUBGRAPH = {
    "inspectBulkRequest detailed": "Failed to get protected data in bulk",
    "getProtectedData": "Failed to fetch protected data",
    "sendEmail": "Failed to fetch subgraph",
    "fetchMyContacts": "Failed to fetch user contacts",
    "fetchUserContacts": "Failed to fetch user contacts",
}


def test_what_needs_no_subgraph_works_and_what_does_says_so(enclaves, tmp_path):
    trade = ConfidentialTrade(enclaves, tmp_path, texts=1)
    info, buyer, sold, hidden = enclaves.info, trade.buyer, trade.sold, trade.hidden
    (data,) = sold["datasets"]
    told = trade.package(
        HERE / "dataprotector.mjs",
        host=info.rpc_url,
        market=info.market_url,
        sms=info.sms_url,
        files=info.files_url,
        seller=trade.seller_key,
        buyer=key_in(buyer),
        pool=info.workerpool,
        app=sold["app"],
        dataset=data,
        requesterSecret=hidden.requester,
        most=MOST,
    )
    fails = {name: each["fails"] for name, each in told.items() if "fails" in each}
    assert fails.pop("protectData") == ["Event DatasetSchema not found in logs"]
    assert told["protectData"]["uploaded"]
    assert {name: (each[0], each[-1]) for name, each in fails.items()} == {
        name: (begins, NO_SUBGRAPH) for name, begins in WANT_SUBGRAPH.items()
    }

    done = {name: each["ok"] for name, each in told.items() if "ok" in each}
    read = {"args": [], "files": {data.lower(): hidden.texts[0]}, "app": hidden.app}
    mail = done.pop("getResultFromCompletedTask")
    letter = json.loads(mail.pop("requester"))
    assert (letter["emailSubject"], letter["useCallback"]) == ("hello", True)
    assert mail == read | {"slice": "1"}
    bulk = read | {"requester": None, "slice": "1"}
    assert done == {
        "grantAccess": [sold["app"].lower(), address_of(buyer).lower()],
        "getGrantedAccess": [data.lower()],
        "processProtectedData": read | {"requester": hidden.requester, "slice": None},
        "prepareBulkRequest": "1",
        "processBulkRequest": [bulk],
        "inspectBulkRequest": "FINISHED",
        "prepareEmailCampaign": "1",
        "sendEmailCampaign": 1,
        "waitForTaskCompletion": "COMPLETED",
        "revokeOneAccess": 66,
        "revokeAllAccess": 1,
        "transferOwnership": True,
    }
