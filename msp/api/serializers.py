"""Shapes of what goes in and out, for checking and for the OpenAPI document."""

from rest_framework import serializers

from msp.licensing.periods import Period


class PeriodQuery(serializers.Serializer):
    """Of which month, and of which client, something is asked."""

    period = serializers.CharField(
        max_length=40,
        help_text="A calendar month, such as `2026-11`.",
        error_messages={"required": "Say which month, such as ?period=2026-11."},
    )
    tenant = serializers.SlugField(
        required=False, max_length=63, help_text="Only the client of this slug."
    )

    def validate_period(self, text: str) -> Period:
        """Return the month; PeriodError for what is none."""
        return Period.parse(text)


class DaySerializer(serializers.Serializer):
    """One day that was counted."""

    day = serializers.DateField()
    seats = serializers.IntegerField(min_value=0, help_text="Persons protected on this day.")


class TenantUsageSerializer(serializers.Serializer):
    """The usage of one client."""

    slug = serializers.SlugField()
    name = serializers.CharField()
    seats = serializers.IntegerField(
        min_value=0,
        help_text="What is billed: distinct persons protected on at least one day of the period.",
    )
    seat_days = serializers.IntegerField(
        min_value=0, help_text="The sum over all days of the persons protected on each."
    )
    peak_seats = serializers.IntegerField(min_value=0, help_text="The most persons on one day.")
    average_seats = serializers.FloatField(
        min_value=0, help_text="Persons on an average counted day."
    )
    days_counted = serializers.IntegerField(min_value=0, max_value=31)
    not_counted = serializers.DictField(
        child=serializers.IntegerField(min_value=0),
        help_text="Accounts that gave no seat on the newest counted day, by reason.",
    )
    daily = DaySerializer(many=True)


class UsageSerializer(serializers.Serializer):
    """The usage of a period, with the sums over the clients in it."""

    period = serializers.CharField()
    first_day = serializers.DateField()
    last_day = serializers.DateField()
    seats = serializers.IntegerField(min_value=0)
    seat_days = serializers.IntegerField(min_value=0)
    tenants = TenantUsageSerializer(many=True)


class ProblemSerializer(serializers.Serializer):
    """An error (RFC 9457)."""

    type = serializers.CharField(help_text="`about:blank`: the status says what kind it is.")
    title = serializers.CharField()
    status = serializers.IntegerField(min_value=400, max_value=599)
    detail = serializers.CharField(help_text="What went wrong and what to do next.")
    instance = serializers.CharField(help_text="The path that was asked for.")


class DeliverySerializer(serializers.Serializer):
    """What became of a delivery."""

    delivery = serializers.CharField(help_text="Its id.")
    repeated = serializers.BooleanField(
        help_text="It was taken before under this id, so nothing was done now."
    )
    records = serializers.IntegerField(
        min_value=0, help_text="The sum of the five counts behind it."
    )
    events = serializers.IntegerField(min_value=0)
    findings = serializers.IntegerField(min_value=0)
    directory = serializers.IntegerField(min_value=0)
    duplicates = serializers.IntegerField(min_value=0)
    quarantined = serializers.IntegerField(
        min_value=0, help_text="Records that can't be read; they are kept and shown."
    )
    reasons = serializers.DictField(
        child=serializers.IntegerField(min_value=1),
        help_text="How many records were quarantined for which reason.",
    )


class SpreadSerializer(serializers.Serializer):
    """How long a stage took, in seconds; null: not measured."""

    cases = serializers.IntegerField(min_value=0, help_text="Cases that reached the stage.")
    median = serializers.FloatField(allow_null=True)
    p90 = serializers.FloatField(allow_null=True, help_text="90th percentile, nearest rank.")
    median_without_waiting = serializers.FloatField(
        allow_null=True, help_text="Without the time in which people were waited for."
    )
    p90_without_waiting = serializers.FloatField(allow_null=True)


class TimesSerializer(serializers.Serializer):
    """Times from the first alert."""

    acknowledge = SpreadSerializer(help_text="Until somebody or something looked at it.")
    investigate = SpreadSerializer(help_text="Until the verdict.")
    contain = SpreadSerializer(help_text="Until the last containment step was read back.")
    remediate = SpreadSerializer(help_text="Until an attack was closed.")


class ShareSerializer(serializers.Serializer):
    """So many of so many."""

    part = serializers.IntegerField(min_value=0)
    of = serializers.IntegerField(min_value=0)
    percent = serializers.IntegerField(
        min_value=0, max_value=100, allow_null=True, help_text="Rounded down; null: not measured."
    )


class SavedSerializer(serializers.Serializer):
    """What a playbook saved."""

    playbook = serializers.CharField()
    times = serializers.IntegerField(min_value=1)
    minutes_each = serializers.IntegerField(
        min_value=1, help_text="By hand, as declared: not measured."
    )


class CasesMeasuredSerializer(serializers.Serializer):
    """The measures of cases that were opened in the period."""

    cases = serializers.IntegerField(min_value=0, help_text="Merged cases count once.")
    closed = serializers.IntegerField(min_value=0)
    times = TimesSerializer()
    without_escalation = ShareSerializer(
        help_text="Closed cases that needed no technician, neither to look nor to approve."
    )
    verdicts_kept = ShareSerializer(
        help_text="Verdicts of the engine that technicians kept, of those they closed a case on."
    )
    plans_agreed = ShareSerializer(
        help_text="Plans that technicians let be, of those that they judged."
    )
    opinions_agreed = ShareSerializer(
        help_text="Second opinions with the same verdict, of those given on closed cases."
    )
    opinions_weighted_percent = serializers.IntegerField(
        min_value=0,
        max_value=100,
        allow_null=True,
        help_text="Harmless, undecided, attack: neighbours count half. Null: not measured.",
    )
    opinions_kappa = serializers.FloatField(
        allow_null=True, help_text="Cohen's weighted kappa; null: it can't be told."
    )
    evidence_answered = ShareSerializer(help_text="Questions answered, of those asked.")
    minutes_saved = serializers.IntegerField(
        min_value=0,
        allow_null=True,
        help_text="By the declared baseline of each playbook, routines too; null: not measured.",
    )
    saved_by = SavedSerializer(many=True)


class TenantMeasuresSerializer(CasesMeasuredSerializer):
    """The measures of one client."""

    slug = serializers.SlugField()
    name = serializers.CharField()


class MeasuresSerializer(CasesMeasuredSerializer):
    """The measures of all the clients together, and of each."""

    period = serializers.CharField()
    tenants = TenantMeasuresSerializer(many=True)
