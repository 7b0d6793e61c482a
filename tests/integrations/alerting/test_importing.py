"""Packs of Sigma rules: kept as written, replaced by newer text, removed, and nothing dropped."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml
from django.core.management import CommandError, call_command
from django.utils import timezone

from integrations.alerting import importing, rulebook, stages
from integrations.alerting.rows import PackRule, RuleHit, RulePack
from integrations.detection.errors import RulesUnreadable
from integrations.errors import DetectionError
from tenants import scope
from tests.integrations.alerting.rules import IDS, correlation, record, rule, take

pytestmark = pytest.mark.django_db

OLD = rule("e", detection={"it": {"Operation": "x"}, "condition": "it", "timeframe": "5m"})


def _folder(path: Path, **files: object) -> Path:
    for name, told in files.items():
        file = path / "rules" / "cloud" / f"{name}.yml"
        file.parent.mkdir(parents=True, exist_ok=True)
        documents = told if isinstance(told, list) else [told]
        file.write_text(yaml.safe_dump_all(documents, sort_keys=False), encoding="utf-8")
    return path / "rules"


def _import(path: Path, name: str = "Theirs", **more: str) -> importing.Imported:
    return importing.take(path, name=name, actor="test", **more)


def test_a_folder_is_imported_with_authors_and_licence(tmp_path, in_tenant) -> None:
    told = _import(_folder(tmp_path, a=rule("a"), old=OLD), licence="DRL 1.1")
    assert told.new == ["Rule a"]
    row = PackRule.objects.get()
    assert (row.author, row.licence, row.file) == ("Tess Author", "DRL 1.1", "cloud/a.yml")
    assert yaml.safe_load(row.text) == rule("a")
    # What is not run is listed with its reason, and kept with the pack.
    assert [(one.file, one.kind) for one in told.not_run] == [("cloud/old.yml", "unsupported")]
    assert "timeframe" in RulePack.objects.get().not_run[0]["reason"]
    take(record("a"))
    assert rulebook.current().entries[IDS["a"]].author == "Tess Author"


def test_a_newer_text_takes_the_place_of_an_older_one_which_is_kept(tmp_path, db) -> None:
    folder = _folder(tmp_path, a=rule("a"), b=rule("b"))
    _import(folder)
    told = _import(_folder(tmp_path, a=rule("a", level="critical")))
    assert (told.new, told.replaced, told.unchanged) == ([], ["Rule a"], ["Rule b"])
    assert PackRule.objects.filter(rule_id=IDS["a"]).count() == 2
    assert rulebook.current().entries[IDS["a"]].level == "critical"
    before = RulePack.objects.get().sha256
    assert _import(folder).unchanged == ["Rule a", "Rule b"]
    assert RulePack.objects.get().sha256 == before


def test_a_correlation_is_imported_with_the_rules_it_counts(tmp_path, in_tenant) -> None:
    lost = correlation("f", "event_count", "g")
    told = _import(_folder(tmp_path, both=[rule("a"), correlation("d", "event_count", "a"), lost]))
    assert told.new == ["Rule a", "Correlation d"]
    assert "rule_g" in told.not_run[0].reason
    entry = rulebook.current().entries[IDS["d"]]
    assert entry.correlation is not None
    assert entry.false_positives == ()


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ({"type": "value_avg", "condition": {"gte": 1, "field": ["x", "y"]}}, "take one"),
        ({"type": "value_percentile", "condition": {"gte": 1, "field": "x"}}, "from 1 to 100"),
        ({"type": "value_sum", "condition": {"gte": "much", "field": "x"}}, "much"),
        ({"condition": {"gte": 10**400}}, "no number"),
        ({"type": "temporal", "condition": {"lte": 1}}, "not rule_b"),
        ({"type": "temporal", "condition": {"gte": 2}}, "2 of 1 rules"),
        ({"type": "temporal", "condition": "not rule_a"}, "nothing happens"),
        ({"timespan": "0s"}, "greater than zero"),
        ({"type": "temporal", "condition": "rule_a" + " and rule_a" * 9_000}, "4096 characters"),
        ({"timespan": "1y"}, "31 days"),
        ({"timespan": "soon"}, "soon"),
        ({"condition": {"gte": 0}}, "at least 1"),
        ({"rules": ["rule_a"] * 51}, "more than 50"),
        ({"type": ["x"]}, "correlation"),
    ],
)
def test_a_correlation_that_can_not_be_run_is_listed(part, reason, tmp_path, db) -> None:
    told = _import(
        _folder(tmp_path, both=[rule("a"), correlation("d", "event_count", "a", **part)])
    )
    assert told.new == ["Rule a"]
    assert reason in told.not_run[0].reason


def test_a_correlation_may_join_its_rules_and_count_others_but_not_in_a_circle(
    tmp_path, db
) -> None:
    joined = correlation("d", "temporal", "ab", condition="rule_a and rule_b")
    ordered = correlation("e", "temporal_ordered", "ab", condition="rule_a or rule_b")
    counted = {**correlation("f", "event_count", "a"), "name": "counted"}
    # What is counted may stand behind what counts it.
    chain = correlation("g", "temporal", "b", rules=["counted", "rule_b"])
    circle = {**correlation("h", "event_count", "a", rules=["round"]), "name": "round"}
    told = _import(_folder(
        tmp_path, all=[chain, rule("a"), rule("b"), joined, ordered, counted, circle]
    ))  # fmt: skip
    entries = rulebook.current().entries
    assert entries[IDS["d"]].correlation.rules == (IDS["a"], IDS["b"])
    assert entries[IDS["g"]].correlation.rules == (IDS["f"], IDS["b"])
    assert rulebook.current().sources_of(entries[IDS["g"]]) == (entries[IDS["a"]].source,)
    reasons = {one.title: one.reason for one in told.not_run}
    assert "write one for each" in reasons["Correlation e"]
    assert "end the circle" in reasons["Correlation h"]


def test_archives_are_read_and_bounded(tmp_path, db, monkeypatch) -> None:
    folder = _folder(tmp_path, a=rule("a"))
    packed = tmp_path / "pack.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(folder / "cloud" / "a.yml", "sigma/rules/a.yml")
        archive.writestr("sigma/rules/bomb.yml", b"a: " + b"x" * 3_000_000)
        archive.writestr("sigma/rules/alias.yml", b"a: &a [1]\nb: [*a, *a]\n")
    told = _import(packed)
    assert told.new == ["Rule a"]
    reasons = {one.file: one.reason for one in told.not_run}
    assert "larger than" in reasons["sigma/rules/bomb.yml"]
    assert "alias" in reasons["sigma/rules/alias.yml"]
    tarred = tmp_path / "pack.tar.gz"
    with tarfile.open(tarred, "w:gz") as archive:
        archive.add(folder, "rules")
    with pytest.raises(DetectionError, match="the pack Theirs has a rule"):
        _import(tarred, "Tarred")
    monkeypatch.setattr("integrations.detection.files._MOST_BYTES", 1_000)
    with pytest.raises(RulesUnreadable, match="load them in parts"):
        _import(packed)


def test_a_pack_is_removed_and_may_come_again(tmp_path, db) -> None:
    folder = _folder(tmp_path, a=rule("a"))
    _import(folder)
    assert importing.remove("Theirs", actor="test") == 1
    assert IDS["a"] not in rulebook.current().entries
    assert PackRule.objects.count() == 1
    with pytest.raises(DetectionError, match="no pack"):
        importing.remove("Theirs", actor="test")
    assert _import(folder).new == ["Rule a"]


def test_a_rule_of_holdfasts_own_is_not_replaced(tmp_path, db) -> None:
    own = next(one for one in rulebook.current().entries.values() if one.correlation is None)
    told = _import(_folder(tmp_path, a=rule("a"), own={**rule("b"), "id": own.id}))
    assert told.new == ["Rule a"]
    assert "same id" in told.not_run[0].reason
    assert rulebook.current().entries[own.id].is_own


def test_nothing_to_run_and_no_name_are_told(tmp_path, db) -> None:
    with pytest.raises(RulesUnreadable, match="timeframe"):
        _import(_folder(tmp_path, old=OLD))
    with pytest.raises(RulesUnreadable, match="can't be read"):
        _import(tmp_path / "nowhere")
    with pytest.raises(DetectionError, match="--name"):
        _import(_folder(tmp_path, a=rule("a")), " ")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RulesUnreadable, match="there are no rules in it"):
        _import(tmp_path / "empty")


def _command(*arguments: str) -> str:
    out = io.StringIO()
    call_command("detections", *arguments, stdout=out)
    return out.getvalue()


def test_the_command(tmp_path, tenant) -> None:
    folder = _folder(tmp_path, a=rule("a"), old=OLD)
    told = _command("import", str(folder), "--name", "Theirs")
    assert "1 new, 0 replaced, 0 unchanged, 0 withdrawn, 1 not run" in told
    assert "cloud/old.yml: unsupported" in told
    assert "shadow 1" in _command("list", "--tenant", tenant.slug)
    _command("stage", IDS["a"], "live", "--tenant", tenant.slug, "--reason", "It is right.")
    listed = _command("list", "--json")
    row = next(one for one in yaml.safe_load(listed)["rules"] if one["id"] == IDS["a"])
    assert row["stages"] == {"live": 1}
    assert "Tess Author" in _command("show", IDS["a"])
    with scope.tenant(tenant.id):
        take(record("a", f"{timezone.now():%Y-%m-%dT%H:%M:%S}"), record("b", "2020-01-01T00:00:00"))
        before = RuleHit.objects.count()
    assert "1 of 1 stored events" in _command("try", IDS["a"], "--tenant", tenant.slug)
    assert "1 of 2" in _command("try", IDS["a"], "--tenant", tenant.slug, "--days", "9999")
    with scope.tenant(tenant.id):
        assert RuleHit.objects.count() == before
    covered = yaml.safe_load(_command("coverage", "--json"))
    spray = next(one for one in covered["techniques"] if one["id"] == "T1110.003")
    assert spray["clients_blind"] == 1
    assert "microsoft365 sign_ins" in spray["missing_feeds"]
    assert spray["proofs"] > 0
    _command("remove", "Theirs")
    with pytest.raises(CommandError, match="no rule"):
        _command("stage", IDS["a"], "off", "--reason", "Gone.")


def test_a_rule_that_its_pack_has_no_more_is_withdrawn(tmp_path, in_tenant) -> None:
    folder = _folder(tmp_path, a=rule("a"), b=rule("b"), c=rule("c"))
    _import(folder)
    (folder / "cloud" / "b.yml").unlink()
    broken = rule("c", detection={"it": {"Operation": "x"}, "condition": "nothing"})
    told = _import(_folder(tmp_path, a=rule("a", status="deprecated"), c=broken, d=rule("d")))
    assert [(one.title, one.reason) for one in told.withdrawn] == [
        ("Rule a", "its author marks it as deprecated"), ("Rule b", "no longer in the pack"),
    ]  # fmt: skip
    # What is there but can't be run any more goes on as it was.
    assert IDS["c"] in rulebook.current().entries
    assert not {IDS["a"], IDS["b"]} & rulebook.current().entries.keys()
    take(record("a"), record("b"))
    assert not RuleHit.objects.exists()
    assert {row.title for row in importing.withdrawn()} == {"Rule a", "Rule b"}
    _import(_folder(tmp_path, a=rule("a")))
    assert [row.title for row in importing.withdrawn()] == ["Rule b"]
    assert IDS["a"] in rulebook.current().entries


def test_most_of_a_pack_is_withdrawn_only_where_that_is_asked(tmp_path, db) -> None:
    many = [{**rule("a"), "id": f"00000000-0000-4000-8000-0000000001{n:02}"} for n in range(12)]
    _import(_folder(tmp_path / "all", many=many, a=rule("a")))
    part = _folder(tmp_path / "part", a=rule("a"))
    with pytest.raises(DetectionError, match=r"12 of the 13 rules.*--missing keep"):
        _import(part)
    assert _import(part, missing=importing.Missing.KEEP).withdrawn == []
    assert len(_import(part, missing=importing.Missing.WITHDRAW).withdrawn) == 12
    assert PackRule.objects.filter(replaced_at=None).get().rule_id == IDS["a"]


def test_a_pack_of_which_nothing_is_taken_is_refused_and_leaves_nothing(tmp_path, db) -> None:
    folder = _folder(tmp_path, a=rule("a"))
    _import(folder)
    with pytest.raises(DetectionError, match="the pack Theirs has a rule of the same id"):
        _import(folder, name="Others")
    assert list(RulePack.objects.values_list("name", flat=True)) == ["Theirs"]


@pytest.mark.parametrize("name", ["Holdfast", "holdfast"])
def test_the_name_of_the_own_pack_is_taken(tmp_path, db, name) -> None:
    with pytest.raises(DetectionError, match="a name of its own"):
        _import(_folder(tmp_path, a=rule("a")), name=name)


def test_a_rule_for_what_no_connector_brings_is_told_of(tmp_path, db) -> None:
    blind = rule("b", logsource={"product": "qnx", "service": "slog"})
    assert _import(_folder(tmp_path, a=rule("a"), b=blind)).blind == ["Rule b"]


def test_a_filter_is_imported_with_its_pack_and_withdrawn_with_it(tmp_path, in_tenant) -> None:
    told = {
        "title": "Our backup", "id": IDS["f"], "author": "Tess Author",
        "logsource": {"product": "m365"},
        "filter": {
            "rules": [IDS["a"]], "it": {"UserId": "backup@acme.example"}, "condition": "not it",
        },
    }  # fmt: skip
    folder = _folder(tmp_path, a=rule("a"), f=told)
    assert (_import(folder).new, _import(folder).filtered) == (["Rule a", "Our backup"], ["Rule a"])
    assert rulebook.current().rules[IDS["a"]].filters == ("Our backup",)
    assert IDS["f"] not in rulebook.current().entries
    take(record("a", UserId="backup@acme.example"))
    assert not RuleHit.objects.exists()
    take(record("a", UserId="mara@acme.example"))
    assert RuleHit.objects.count() == 1
    (folder / "cloud" / "f.yml").unlink()
    assert [one.title for one in _import(folder).withdrawn] == ["Our backup"]
    assert rulebook.current().rules[IDS["a"]].filters == ()


def test_rules_that_share_parts_are_kept_whole(tmp_path, db) -> None:
    shared = {key: value for key, value in rule("a").items() if key not in ("id", "title")}
    folder = _folder(tmp_path, many=[
        {"action": "global", **shared}, {"title": "One", "id": IDS["a"]},
        {"action": "repeat", "title": "Two", "id": IDS["b"]},
    ])  # fmt: skip
    assert _import(folder).new == ["One", "Two"]
    texts = dict(PackRule.objects.values_list("title", "text"))
    assert yaml.safe_load(texts["Two"]) == {**shared, "title": "Two", "id": IDS["b"]}
    assert {IDS["a"], IDS["b"]} <= rulebook.current().rules.keys()


@pytest.mark.parametrize(
    ("condition", "told", "words"),
    [
        ("it | count() > 2", {}, "more than 2 events within 10 minutes"),
        ("it | count(ClientIP) by UserId >= 3", {"ClientIP": "203.0.113.{}"},
         "at least 3 different ClientIP within 10 minutes"),
    ],
)  # fmt: skip
def test_a_rule_that_counts_in_the_old_way_is_run_as_a_correlation(
    condition, told, words, tmp_path, in_tenant
) -> None:
    old = rule("a", detection={
        "it": {"Operation": "Test-a"}, "condition": condition, "timeframe": "10m",
    })  # fmt: skip
    folder = _folder(tmp_path, a=old)
    assert _import(folder, licence="DRL 1.1").new == ["Rule a (one event)", "Rule a"]
    assert _import(folder).unchanged == ["Rule a (one event)", "Rule a"]
    stages.set_for_all(IDS["a"], "live", actor="test", why="For a test.")
    entry = rulebook.current().entries[IDS["a"]]
    assert (entry.author, entry.level, entry.techniques) == ("Tess Author", "high", ("T1110.003",))
    assert entry.correlation.words == words
    assert rulebook.current().not_run == ()
    values = [{key: text.format(n) for key, text in told.items()} for n in range(3)]
    take(*(record("a", **one) for one in values[:2]))
    assert not RuleHit.objects.exists()
    take(record("a", **values[2]))
    assert RuleHit.objects.get().rule_id == IDS["a"]


def test_a_chain_of_correlations_is_bounded(tmp_path, db) -> None:
    chain = [
        {**correlation("d", "event_count", "a", rules=[f"link_{n - 1}" if n else "rule_a"]),
         "id": f"00000000-0000-4000-8000-0000000001{n:02}", "title": f"Link {n}",
         "name": f"link_{n}"}
        for n in range(11)
    ]  # fmt: skip
    told = _import(_folder(tmp_path, all=[*reversed(chain), rule("a")]))
    assert len(told.new) == 11
    assert [(one.title, one.kind) for one in told.not_run] == [("Link 10", "unsupported")]


NAMED = rule("a", detection={"it": {"Operation|expand": "%watched%"}, "condition": "it"})


def test_placeholders_get_the_values_that_were_given_and_keep_them(tmp_path, in_tenant) -> None:
    folder = _folder(tmp_path, a=NAMED, b=rule("b"))
    told = _import(folder)
    assert told.new == ["Rule b"]
    assert "%watched%" in told.not_run[0].reason
    assert "--placeholders" in told.not_run[0].reason
    assert _import(folder, values={"watched": ("Seen-1", "Seen-2*")}).new == ["Rule a"]
    assert yaml.safe_load(PackRule.objects.get(rule_id=IDS["a"]).text) == NAMED
    take(record("x", Operation="Seen-1"), record("y", Operation="seen-2 too"), record("z"))
    assert RuleHit.objects.filter(rule_id=IDS["a"]).count() == 2
    # A pack that is imported anew without values keeps those that it has.
    assert _import(folder).not_run == []
    assert len(_import(folder, values={}).not_run) == 1


def test_the_command_reads_placeholders_from_a_file(tmp_path, db) -> None:
    folder, values = _folder(tmp_path, a=NAMED), tmp_path / "ours.yml"
    values.write_text("watched: [Seen-1]\n")
    call_command("detections", "import", str(folder), "--name", "T", "--placeholders", str(values))
    assert RulePack.objects.get().placeholders == {"watched": ["Seen-1"]}
    values.write_text("watched: {a: 1}\n")
    with pytest.raises(CommandError, match="a list of at most"):
        call_command(
            "detections", "import", str(folder), "--name", "T", "--placeholders", str(values)
        )
