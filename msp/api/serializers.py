"""The shapes that the API speaks."""

from rest_framework import serializers


class DaySerializer(serializers.Serializer):
    """One counted day."""

    day = serializers.DateField()
    seats = serializers.IntegerField(min_value=0)


class TenantUsageSerializer(serializers.Serializer):
    """One client's usage."""

    tenant = serializers.SlugField()
    name = serializers.CharField()
    period = serializers.RegexField(r"^\d{4}-\d{2}$")
    seats = serializers.IntegerField(min_value=0, help_text="people billed")
    peak = serializers.IntegerField(min_value=0, help_text="most people on one day")
    seat_days = serializers.IntegerField(min_value=0)
    days_counted = serializers.IntegerField(min_value=0)
    not_counted = serializers.DictField(
        child=serializers.IntegerField(min_value=0), help_text="why → accounts, on the last day"
    )
    days = DaySerializer(many=True)


class UsageSerializer(serializers.Serializer):
    """Usage of a period."""

    period = serializers.RegexField(r"^\d{4}-\d{2}$")
    total_seats = serializers.IntegerField(min_value=0)
    tenants = TenantUsageSerializer(many=True)


class ProblemSerializer(serializers.Serializer):
    """Problem details, RFC 9457."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    instance = serializers.CharField()
