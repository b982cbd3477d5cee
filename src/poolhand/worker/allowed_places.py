"""Where this worker goes because somebody else names the place: images and results."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from poolhand.containers.image_name import ImageName
from poolhand.domain.errors import Refused
from poolhand.settings.worker import WorkerSettings
from poolhand.transport.address_rule import (
    OPEN_RULE,
    AddressRule,
    ForbiddenAddress,
    check_image_registry,
    rule_for,
)
from poolhand.transport.addresses import Resolver, resolve


class ImageForbidden(Refused):
    """This worker's engine is not sent to the registry of that image."""


class ResultsForbidden(Refused):
    """This worker brings its results to no such place."""


@dataclass(frozen=True, slots=True)
class AllowedPlaces:
    """The operator's word on places that an app or a pool names.

    Attributes:
        rule: For addresses.
        registries: Of images; empty: any that ``rule`` allows.
        resolver: Of names.
    """

    rule: AddressRule = OPEN_RULE
    registries: frozenset[str] = frozenset()
    resolver: Resolver = resolve

    @classmethod
    def of(cls, settings: WorkerSettings, resolver: Resolver = resolve) -> AllowedPlaces:
        """Return what a worker's settings say."""
        rule = rule_for(allow_private=settings.allow_private, hosts=settings.allowed_hosts)
        allowed = frozenset(each.lower() for each in settings.allowed_registries)
        return cls(rule, allowed, resolver)

    async def check_image(self, image: str) -> None:
        """Check where an image comes from, before the engine is asked.

        Raises:
            ImageForbidden: Not from there; the message names who must do what.
            ImageNotFound: No image can have this name.
        """
        registry = ImageName.parse(image).registry
        try:
            await check_image_registry(registry, self.rule, self.registries, self.resolver)
        except (ForbiddenAddress, OSError) as fault:
            raise ImageForbidden(
                f"no image is pulled from {registry} ({fault}): publish it at a public registry, "
                "or let the worker's operator allow this one (POOLHAND_ALLOWED_REGISTRIES)"
            ) from fault

    async def may_ask(self, registry: str) -> bool:
        """Tell whether the engine may be sent to a registry."""
        try:
            await check_image_registry(registry, self.rule, self.registries, self.resolver)
        except (ForbiddenAddress, OSError):
            return False
        return True

    async def check_results(self, url: str) -> None:
        """Check where results go.

        Raises:
            ResultsForbidden: Not there; the message names who must do what.
            OSError: Nobody knows now where that is.
        """
        try:
            place = self.rule.place(url)
            if self.rule.allow_private:
                return
            port = place.port or (443 if place.scheme == "https" else 80)
            await self.rule.addresses(place.raw_host.decode("ascii"), port, self.resolver)
        except ForbiddenAddress as fault:
            raise ResultsForbidden(
                f"the pool's results service is at {url}, where this worker brings nothing "
                f"({fault}): start the worker with POOLHAND_ALLOWED_HOSTS={urlsplit(url).netloc} "
                "to allow that place, or ask the pool's owner for a public https address"
            ) from fault
