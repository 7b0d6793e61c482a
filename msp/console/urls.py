"""The console's own pages, under /admin/ beside the model lists."""

from collections.abc import Callable
from typing import Any

from django.http.response import HttpResponseBase
from django.urls import URLPattern, path

from msp.console.sites import site
from msp.console.views import (
    cases,
    chat_channel,
    clients,
    connections,
    connectors,
    contacts,
    detections,
    important,
    intelligence,
    known_good,
    matches,
    measures,
    onboarding,
    plans,
    playbooks,
    protection,
    quality,
    queue,
    reports,
    routines,
    rules,
    siem,
    user_question,
)
from msp.console.views.client_link import client_link

app_name = "console"


def _page(route: str, view: Callable[..., Any], name: str) -> URLPattern:
    """Return an address that only a signed-in technician reaches."""
    guarded: Callable[..., HttpResponseBase] = site.admin_view(view)
    return path(route, guarded, name=name)


urlpatterns = [
    _page("queue/", queue.queue, "queue"),
    _page("approvals/", queue.approvals, "approvals"),
    _page("approvals/<uuid:approval_id>/decide/", queue.decide, "decide"),
    _page("approvals/<uuid:approval_id>/client-link/", client_link, "client_link"),
    _page("risk/", cases.risk, "risk"),
    _page("cases/<uuid:case_id>/", cases.case, "case"),
    _page("cases/<uuid:case_id>/take/", cases.take, "take"),
    _page("cases/<uuid:case_id>/close/", cases.close, "close"),
    _page("cases/<uuid:case_id>/known-good/", known_good.new, "known_good_new"),
    _page("cases/<uuid:case_id>/ask/", user_question.ask, "ask_user"),
    _page("quality/", quality.quality, "quality"),
    _page("quality/<uuid:quality_id>/review/", quality.review, "quality_review"),
    _page("measures/", measures.measures, "measures"),
    _page("clients/<slug:slug>/process/", quality.process, "quality_process"),
    _page("intelligence/", intelligence.intelligence, "intelligence"),
    _page("clients/<slug:slug>/threats/", intelligence.threats, "threats"),
    _page("known-good/", known_good.patterns, "known_good"),
    _page("known-good/<uuid:pattern>/change/", known_good.change, "known_good_change"),
    _page("cases/<uuid:case_id>/merge/", cases.merge, "case_merge"),
    _page("cases/<uuid:case_id>/split/", cases.split, "case_split"),
    _page("cases/changes/<uuid:change_id>/undo/", cases.undo_change, "case_change_undo"),
    _page("plans/<uuid:plan_id>/", plans.plan, "plan"),
    _page("plans/<uuid:plan_id>/carry-out/", playbooks.carry_out, "carry_out"),
    _page("plans/<uuid:plan_id>/ask-again/", plans.ask_again, "ask_again"),
    _page("plans/<uuid:plan_id>/roll-back/", cases.roll_back, "roll_back"),
    _page("plans/<uuid:plan_id>/tell/", plans.tell_step, "tell_step"),
    _page("plans/<uuid:plan_id>/stop/", cases.stop_plan, "stop_plan"),
    _page("playbooks/", playbooks.playbooks, "playbooks"),
    _page("playbooks/<slug:playbook_id>/", playbooks.playbook, "playbook"),
    _page("playbooks/<slug:playbook_id>/<slug:slug>/", playbooks.practice, "practice"),
    _page("playbooks/<slug:playbook_id>/<slug:slug>/mode/", playbooks.change_mode, "playbook_mode"),
    _page("playbooks/<slug:playbook_id>/<slug:slug>/spread/", playbooks.spread, "playbook_spread"),
    _page("detections/", detections.detections, "detections"),
    _page("coverage/", detections.coverage, "coverage"),
    _page("detections/stage/<path:rule_id>/", detections.change_stage, "detection_stage"),
    _page("detections/rules/<path:rule_id>/", detections.detection, "detection"),
    _page("evidence/<uuid:evidence_id>/", cases.evidence, "evidence"),
    _page("connectors/", connectors.connectors, "connectors"),
    _page("health/", connections.health, "health"),
    _page("health/alarms/<uuid:alarm_id>/accept/", connections.accept, "alarm_accept"),
    _page("health/<uuid:connection_id>/", connections.connection, "connection_health"),
    _page("health/<uuid:connection_id>/check/", connections.check, "connection_check"),
    _page("health/<uuid:connection_id>/change/", connections.change, "connection_change"),
    _page("health/<uuid:connection_id>/remove/", connections.remove, "connection_remove"),
    _page("health/<uuid:connection_id>/pause/", connections.pause, "connection_pause"),
    _page("matches/", matches.matches, "matches"),
    _page("matches/<uuid:doubt_id>/decide/", matches.decide, "match_decide"),
    _page("matches/accounts/<uuid:account_id>/part/", matches.part, "match_part"),
    _page("matches/decided/<uuid:decision_id>/revert/", matches.revert, "match_revert"),
    _page("clients/", clients.tenants, "tenants"),
    _page("clients/stop/", clients.stop_everything, "stop_everything"),
    _page("clients/start/", clients.start_everything, "start_everything"),
    _page("clients/<slug:slug>/", clients.tenant, "tenant"),
    _page("clients/<slug:slug>/rules/", rules.rules, "rules"),
    _page("clients/<slug:slug>/rules/edit/", rules.edit, "rules_edit"),
    _page("clients/<slug:slug>/routines/<slug:playbook_id>/", routines.start, "routine_start"),
    _page("clients/<slug:slug>/siem/", siem.siem, "siem"),
    _page("clients/<slug:slug>/siem/audit/", siem.audit, "siem_audit"),
    _page("clients/<slug:slug>/stop/", clients.stop_tenant, "stop_tenant"),
    _page("clients/<slug:slug>/start/", clients.start_tenant, "start_tenant"),
    _page("own-identities/", protection.own_identities, "own_identities"),
    _page("clients/<slug:slug>/protected/", protection.protected, "protected"),
    _page("clients/<slug:slug>/protected/add/", protection.protect, "protect"),
    _page(
        "clients/<slug:slug>/protected/<uuid:account_id>/end/", protection.unprotect, "unprotect"
    ),
    _page("clients/<slug:slug>/protected/devices/", protection.exclude, "exclude_device"),
    _page(
        "clients/<slug:slug>/protected/devices/<uuid:device_id>/end/",
        protection.include,
        "include_device",
    ),
    _page("clients/<slug:slug>/important/", important.important, "important"),
    _page("clients/<slug:slug>/important/mark/", important.mark, "mark_vip"),
    _page("clients/<slug:slug>/important/devices/", important.mark_device, "mark_device"),
    _page("clients/<slug:slug>/chat/", chat_channel.channel, "chat_channel"),
    _page("clients/<slug:slug>/contacts/add/", contacts.add, "contact_add"),
    _page("clients/<slug:slug>/contacts/<uuid:contact_id>/", contacts.change, "contact"),
    _page("clients/<slug:slug>/contacts/<uuid:contact_id>/move/", contacts.move, "contact_move"),
    _page(
        "clients/<slug:slug>/contacts/<uuid:contact_id>/active/",
        contacts.set_active,
        "contact_active",
    ),
    _page("onboarding/", onboarding.onboarding, "onboarding"),
    _page("onboarding/new/", onboarding.new, "onboarding_new"),
    _page("onboarding/file/", onboarding.upload, "onboarding_file"),
    _page("onboarding/clients.csv", onboarding.template, "onboarding_template"),
    _page("onboarding/<slug:slug>/steps/", onboarding.onboard, "onboard"),
    _page("onboarding/<slug:slug>/products/", onboarding.choose, "onboard_choose"),
    _page(
        "onboarding/<slug:slug>/connect/<slug:connector>/", onboarding.connect, "onboard_connect"
    ),
    _page("onboarding/<slug:slug>/consent/", onboarding.ask_consent, "onboard_consent"),
    _page("onboarding/<slug:slug>/relationship/", onboarding.look_up, "onboard_relationship"),
    _page("onboarding/<slug:slug>/rules/", onboarding.choose_rules, "onboard_rules"),
    _page("onboarding/<slug:slug>/start/", onboarding.start, "onboard_start"),
    _page("routines/", routines.routines, "routines"),
    _page("routines/<uuid:case_id>/cancel/", routines.cancel, "routine_cancel"),
    _page("rules/", rules.msp_rules, "msp_rules"),
    _page("rules/edit/", rules.edit_msp, "msp_rules_edit"),
    _page("ledger/", clients.ledgers, "ledgers"),
    _page("ledger/<slug:slug>/", clients.ledger, "ledger"),
    _page("quarantine/", clients.quarantine, "quarantine"),
    _page("quarantine/<uuid:record_id>/", clients.quarantined_record, "quarantined_record"),
    _page("quarantine/<uuid:record_id>/take/", clients.take_again, "take_again"),
    _page("reports/<uuid:report_id>/", reports.report, "report"),
]
