"""What stands on every page, and where there is no page to show."""

from typing import Final

EN: Final = {
    "banner": "Test mode: no money moves",
    "other_language": "Magyarul",
    "request_id": "If you ask for help, give this number:",
    "unauthorized_title": "This link does not work",
    "unauthorized_text": "It may be incomplete. Open it again from where you got it, or go back to the shop.",
    "token_expired_title": "This link is no longer valid",
    "token_expired_text": "It ended some time after the payment did. The shop can tell you how it ended; "
    "so can your bank's statement.",
    "not_found_title": "There is nothing here",
    "not_found_text": "The address may be incomplete, or it belongs to something else.",
    "rate_limited_title": "One moment, please",
    "rate_limited_text": "Too many requests came from your network. Nothing has changed. "
    "Wait a little, then load this page again.",
    "forbidden_title": "This was not done",
    "forbidden_text": "What was asked did not come from a page of ours as you have it now, or your role "
    "does not allow it. Nothing has changed. Open the page anew and try again.",
    "trouble_title": "This cannot be shown right now",
    "trouble_text": "The fault is ours, and it has changed nothing. Please try again in a moment.",
}

HU: Final = {
    "banner": "Teszt üzemmód: nem mozog pénz",
    "other_language": "In English",
    "request_id": "Ha segítséget kér, adja meg ezt a számot:",
    "unauthorized_title": "Ez a hivatkozás nem működik",
    "unauthorized_text": "Lehet, hogy hiányos. Nyissa meg újra onnan, ahonnan kapta, "
    "vagy térjen vissza a boltba.",
    "token_expired_title": "Ez a hivatkozás már nem érvényes",
    "token_expired_text": "A fizetés vége után egy idővel lejárt. A bolt meg tudja mondani, "
    "mi lett a fizetéssel; a bankszámlakivonatán is látszik.",
    "not_found_title": "Itt nincs semmi",
    "not_found_text": "A cím hiányos lehet, vagy máshoz tartozik.",
    "rate_limited_title": "Egy kis türelmet kérünk",
    "rate_limited_text": "Túl sok kérés érkezett az Ön hálózatáról. Várjon egy kicsit, majd töltse be újra "
    "az oldalt. Semmi sem változott.",
    "forbidden_title": "Ez nem történt meg",
    "forbidden_text": "A kérés nem a mi oldalunk mostani állapotából jött, vagy a szerepköre nem engedi. "
    "Semmi sem változott. Nyissa meg újra az oldalt, és próbálja meg ismét.",
    "trouble_title": "Ezt most nem tudjuk megmutatni",
    "trouble_text": "A hiba nálunk van, és nem változtatott semmin. Kérjük, próbálja újra kis idő múlva.",
}
