"""Two bundles are compared by what they decide."""

from __future__ import annotations

import shutil

from policies.bundle import PACKAGE_FOLDER, PolicyBundle
from policies.diff import Change, diff


def test_a_change_is_named_by_what_it_does(tmp_path):
    for pattern in ("*.cedar", "*.cedarschema", "rules.yaml"):
        for path in PACKAGE_FOLDER.glob(pattern):
            shutil.copy(path, tmp_path)
    (tmp_path / "50-ours.cedar").write_text(
        '@id("ours.news")\n@rule("HOUSE-PURPOSE")\n@words("No news.")\n@next("another purpose")\n'
        'forbid (principal, action, resource) when { context.purpose == "news" };\n'
    )
    use = tmp_path / "20-use.cedar"
    use.write_text(use.read_text().replace("Sexual content is never made here.", "Not here."))
    rules = tmp_path / "rules.yaml"
    rules.write_text(rules.read_text().replace("since: 2027-02-01", "since: 2027-03-01", 1))
    shipped = PolicyBundle.load()
    changes = diff(shipped, PolicyBundle.load(tmp_path))
    assert Change(kind="policy", id="ours.news", what="added") in changes
    assert Change(kind="policy", id="use.sexual", what="reworded") in changes
    assert [item.what for item in changes if item.kind == "law"] == ["decides otherwise"]
    assert len(changes) == 3
    assert diff(shipped, PolicyBundle.load()) == ()
    assert Change(kind="policy", id="ours.news", what="removed") in diff(PolicyBundle.load(tmp_path), shipped)
