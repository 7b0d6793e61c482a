"""Where something came from: an address with its place."""

from integrations import ocsf
from integrations.values import Fields, country


def place_of(record: Fields) -> ocsf.Object:
    """The OCSF location of a record's `location`, in Graph's or an export's shape."""
    place = record.nested("location", "LocationDetails", "Location")
    geo = place.nested("geoCoordinates")
    return ocsf.location(
        country=country_of(record),
        city=place.text("city") or record.text("City"),
        region=place.text("state") or record.text("State"),
        latitude=geo.real("latitude"),
        longitude=geo.real("longitude"),
    )


def country_of(record: Fields) -> str:
    """The two letters of the country; "" where it isn't told so."""
    place = record.nested("location", "LocationDetails", "Location")
    told = place.text("countryOrRegion", "countryLetterCode", "country")
    return country(told) or country(record.text("CountryCode", "Country", "location"))
