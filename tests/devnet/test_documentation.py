"""A devnet serves the site that was built, and lets its pages ask nobody else."""

from __future__ import annotations

import httpx

from poolhand.devnet.documentation import built_site, site_app


async def test_a_built_site_is_served_with_a_policy_that_names_no_other_origin(tmp_path):
    assert built_site(tmp_path) is None
    (tmp_path / "index.html").write_text("<h1>Home</h1>")
    assert built_site(tmp_path) == tmp_path
    app = site_app(tmp_path)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://s") as http:
        for answer in (await http.get("/"), await http.get("/no-such-page")):
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "://" not in policy
            assert "*" not in policy
            assert answer.headers["x-content-type-options"] == "nosniff"
        assert (await http.get("/")).text == "<h1>Home</h1>"
        assert (await http.get("/../pyproject.toml")).status_code == 404
