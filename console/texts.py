"""All that pages say, in each language; the same keys in both. Braces are places for values.

Where a text addresses a payer it promises only what our own row says, and always tells whether to pay again.
"""

from collections.abc import Mapping
from typing import Final

from documents.words import Language

_EN: Final = {
    "banner": "Test mode: no money moves",
    "other_language": "Magyarul",
    # --- The payer's page -------------------------------------------------------------------------
    "paid_to": "Paid to",
    "to_pay": "Amount",
    "what_for": "For",
    "arrived": "Amount received",
    "given_back": "Given back",
    "ordered_at": "Ordered",
    "pay_by": "Pay before",
    "reference": "Reference",
    "pay": "Go to payment",
    "start_again": "Start again at {tenant}",
    "go_on": "Continue to {tenant}",
    "start_again_yourself": "To try again, go back to {tenant} and start a new payment there.",
    "watching": "This page follows the payment by itself. You need not reload it.",
    "preparing_title": "Your payment is being prepared",
    "preparing_text": "This takes a moment. Nothing has been charged.",
    "waiting_title": "Waiting for your payment",
    "waiting_text": "If you have just paid, please wait: it shows here in a moment. "
    "If you have not, or if your card was declined, you can pay now.",
    "declined_title": "Your last attempt was declined",
    "declined_text": "It was not charged. You can try again, with the same card or with another one. "
    "If you just have, please wait: it shows here in a moment.",
    "charging_title": "Your payment is being made",
    "charging_text": "The saved card is being charged. There is nothing you have to do.",
    "closing_title": "Time is up",
    "closing_text": "We are asking whether your payment still arrived. "
    "Please do not pay again before we know.",
    "unknown_title": "We are finding out what happened",
    "unknown_text": "The payment company has not told us yet whether your payment went through. "
    "Please do not pay again: we keep asking, and this page will tell you.",
    "review_title": "Your payment is being looked at",
    "review_text": "Money arrived, but not as it was ordered. {tenant} will accept it or give it back. "
    "Please do not pay again.",
    "held_title": "Your payment arrived late",
    "held_text": "It came after the payment had ended. {tenant} will accept it or give it back. "
    "Please do not pay again.",
    "succeeded_title": "Payment successful",
    "succeeded_text": "Thank you. {tenant} has your payment.",
    "accepted_title": "Payment successful",
    "accepted_text": "It arrived late, and {tenant} has accepted it. Thank you.",
    "refunding_title": "A refund has been started",
    "refunding_text": "You paid, and money is to go back to you. When that is done, this page says so; "
    "your bank may take some days more to show it.",
    "partly_refunded_title": "Paid, and partly given back",
    "partly_refunded_text": "{given_back} of {amount} has been given back to you. "
    "Your bank may take some days to show it.",
    "refunded_title": "Your money has been given back",
    "refunded_text": "{given_back} has been sent back the way you paid. "
    "Your bank may take some days to show it.",
    "disputed_title": "This payment is being disputed",
    "disputed_text": "You or your bank asked for the money back, and the bank will decide. "
    "Until then nothing else happens to it. If this is a mistake, tell your bank.",
    "lost_title": "Your bank gave the money back",
    "lost_text": "The bank decided for you. This payment no longer counts as paid.",
    "failed_title": "The payment failed",
    "failed_text": "Nothing was charged. If your bank shows a reserved amount, it disappears by itself.",
    "expired_title": "The time to pay has run out",
    "expired_text": "Nothing was charged.",
    "cancelled_title": "The payment was cancelled",
    "cancelled_text": "Nothing was charged.",
    "going_back_title": "Your money is being given back",
    "going_back_text": "It could not be used for this payment, so all of it goes back the way you paid. "
    "There is nothing you have to do.",
    "gone_back_title": "Your money has been given back",
    "gone_back_text": "It could not be used for this payment, so {given_back} was sent back "
    "the way you paid. Your bank may take some days to show it.",
    # --- The console ------------------------------------------------------------------------------
    "login_title": "Sign in",
    "login_app_name": "App name",
    "login_app_secret": "App secret",
    "login_enter": "Sign in",
    "login_operator": "For the operator of this platform",
    "login_admin_key": "Admin key",
    "login_enter_operator": "Sign in as operator",
    "login_unauthorized": "That did not let you in. Check what you typed; a secret that was replaced "
    "does not work here.",
    "login_rate_limited": "There were too many attempts. Wait a minute, then try again.",
    "entering_title": "One moment",
    "entering_go_on": "Go on",
    "skip": "Skip to the content",
    "platform": "Paysaga",
    "nav": "Pages",
    "nav_home": "Home",
    "nav_pricing": "Price list",
    "nav_operations": "Guide",
    "nav_reference": "API reference",
    "logout": "Sign out",
    "home_title": "You are signed in",
    "home_name": "As",
    "home_role": "Role",
    "home_tenant": "For",
    "home_organization": "Organization",
    "home_status": "State",
    "home_suspended": "Suspended: no new payments",
    "role_owner": "Owner",
    "role_operator": "Operator",
    "role_approver": "Approver",
    "role_readonly": "Reader",
    "role_platform": "Operator of the platform",
    "sessions_title": "Where you are signed in",
    "sessions_text": "Everyone who signs in with the same secret is listed here. "
    "If you do not know one of these, end it and have the secret replaced.",
    "sessions_browser": "Browser",
    "sessions_begun": "Signed in",
    "sessions_seen": "Last used",
    "sessions_action": "Action",
    "sessions_here": "this one",
    "sessions_unknown": "Unknown",
    "sessions_end": "End",
    "sessions_end_others": "End all others",
    # --- When there is no page to show ------------------------------------------------------------
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

_HU: Final = {
    "banner": "Teszt üzemmód: nem mozog pénz",
    "other_language": "In English",
    # --- The payer's page -------------------------------------------------------------------------
    "paid_to": "Kedvezményezett",
    "to_pay": "Összeg",
    "what_for": "Megnevezés",
    "arrived": "Beérkezett összeg",
    "given_back": "Visszatérítve",
    "ordered_at": "Megrendelve",
    "pay_by": "Fizetési határidő",
    "reference": "Azonosító",
    "pay": "Tovább a fizetéshez",
    "start_again": "Újrakezdés itt: {tenant}",
    "go_on": "Tovább ide: {tenant}",
    "start_again_yourself": "Ha újra megpróbálná, térjen vissza ide: {tenant}, és ott indítson új fizetést.",
    "watching": "Ez az oldal magától követi a fizetést, nem kell újratölteni.",
    "preparing_title": "A fizetés előkészítése folyamatban",
    "preparing_text": "Ez csak egy pillanat. Semmit sem terheltünk meg.",
    "waiting_title": "Fizetésre vár",
    "waiting_text": "Ha éppen most fizetett, kérjük, várjon: hamarosan itt is látszik. "
    "Ha még nem fizetett, vagy a kártyáját elutasították, most fizethet.",
    "declined_title": "Az utolsó próbálkozást elutasították",
    "declined_text": "Nem történt terhelés. Próbálja újra ugyanazzal a kártyával vagy egy másikkal. "
    "Ha éppen most megtette, kérjük, várjon: hamarosan itt is látszik.",
    "charging_title": "A fizetés folyamatban van",
    "charging_text": "A mentett kártya terhelése zajlik. Önnek nincs teendője.",
    "closing_title": "Lejárt az idő",
    "closing_text": "Megkérdezzük, hogy a fizetése beérkezett-e még. Kérjük, addig ne fizessen újra.",
    "unknown_title": "Utánajárunk, mi történt",
    "unknown_text": "A fizetési szolgáltató még nem közölte, hogy a fizetés sikerült-e. "
    "Kérjük, ne fizessen újra: tovább kérdezzük, és az eredmény itt jelenik meg.",
    "review_title": "A fizetést ellenőrzik",
    "review_text": "Érkezett pénz, de nem a megrendelés szerint. {tenant} elfogadja vagy visszatéríti. "
    "Kérjük, ne fizessen újra.",
    "held_title": "A fizetés későn érkezett",
    "held_text": "A pénz a fizetés lezárása után érkezett. {tenant} elfogadja vagy visszatéríti. "
    "Kérjük, ne fizessen újra.",
    "succeeded_title": "Sikeres fizetés",
    "succeeded_text": "Köszönjük. {tenant} megkapta a fizetést.",
    "accepted_title": "Sikeres fizetés",
    "accepted_text": "A fizetés későn érkezett, de {tenant} elfogadta. Köszönjük.",
    "refunding_title": "Visszatérítés indult",
    "refunding_text": "A fizetése megtörtént, és pénz jár vissza Önnek. Ha elkészült, itt is látszik; "
    "a bankjánál még néhány napba telhet.",
    "partly_refunded_title": "Kifizetve, részben visszatérítve",
    "partly_refunded_text": "A kifizetett összegből ({amount}) visszatérítve: {given_back}. "
    "A bankjánál néhány napba telhet, míg megjelenik.",
    "refunded_title": "A pénzét visszatérítették",
    "refunded_text": "Visszaküldve azon az úton, ahogyan fizetett: {given_back}. "
    "A bankjánál néhány napba telhet, míg megjelenik.",
    "disputed_title": "A fizetést vitatják",
    "disputed_text": "Ön vagy a bankja visszakérte a pénzt, és a bank dönt róla. "
    "Addig más nem történik vele. Ha ez tévedés, szóljon a bankjának.",
    "lost_title": "A bankja visszaadta a pénzt",
    "lost_text": "A bank az Ön javára döntött. Ez a fizetés már nem számít teljesítettnek.",
    "failed_title": "A fizetés nem sikerült",
    "failed_text": "Nem történt terhelés. Ha a bankja zárolt összeget mutat, az magától megszűnik.",
    "expired_title": "Lejárt a fizetési határidő",
    "expired_text": "Nem történt terhelés.",
    "cancelled_title": "A fizetést törölték",
    "cancelled_text": "Nem történt terhelés.",
    "going_back_title": "Visszakapja a pénzét",
    "going_back_text": "Ehhez a fizetéshez már nem volt felhasználható, ezért a teljes összeg visszamegy "
    "azon az úton, ahogyan fizetett. Önnek nincs teendője.",
    "gone_back_title": "A pénzét visszatérítették",
    "gone_back_text": "Ehhez a fizetéshez már nem volt felhasználható, ezért visszaküldtük "
    "azon az úton, ahogyan fizetett: {given_back}. A bankjánál néhány napba telhet, míg megjelenik.",
    # --- The console ------------------------------------------------------------------------------
    "login_title": "Bejelentkezés",
    "login_app_name": "Alkalmazás neve",
    "login_app_secret": "Alkalmazás titkos kulcsa",
    "login_enter": "Bejelentkezés",
    "login_operator": "A platform üzemeltetőjének",
    "login_admin_key": "Üzemeltetői kulcs",
    "login_enter_operator": "Bejelentkezés üzemeltetőként",
    "login_unauthorized": "A belépés nem sikerült. Ellenőrizze, mit írt be; lecserélt titkos kulccsal "
    "itt nem lehet belépni.",
    "login_rate_limited": "Túl sok próbálkozás történt. Várjon egy percet, majd próbálja újra.",
    "entering_title": "Egy pillanat",
    "entering_go_on": "Tovább",
    "skip": "Ugrás a tartalomhoz",
    "platform": "Paysaga",
    "nav": "Oldalak",
    "nav_home": "Kezdőlap",
    "nav_pricing": "Árlista",
    "nav_operations": "Útmutató",
    "nav_reference": "API-leírás",
    "logout": "Kijelentkezés",
    "home_title": "Ön be van jelentkezve",
    "home_name": "Mint",
    "home_role": "Szerepkör",
    "home_tenant": "Cég",
    "home_organization": "Szervezet",
    "home_status": "Állapot",
    "home_suspended": "Felfüggesztve: nincs új fizetés",
    "role_owner": "Tulajdonos",
    "role_operator": "Ügyintéző",
    "role_approver": "Jóváhagyó",
    "role_readonly": "Olvasó",
    "role_platform": "A platform üzemeltetője",
    "sessions_title": "Ahol be van jelentkezve",
    "sessions_text": "Itt mindenki szerepel, aki ugyanezzel a titkos kulccsal lépett be. "
    "Ha valamelyiket nem ismeri, fejezze be, és cseréltesse le a kulcsot.",
    "sessions_browser": "Böngésző",
    "sessions_begun": "Belépés",
    "sessions_seen": "Utoljára használva",
    "sessions_action": "Művelet",
    "sessions_here": "ez itt",
    "sessions_unknown": "Ismeretlen",
    "sessions_end": "Befejezés",
    "sessions_end_others": "Az összes többi befejezése",
    # --- When there is no page to show ------------------------------------------------------------
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

TEXTS: Final[Mapping[Language, Mapping[str, str]]] = {Language.EN: _EN, Language.HU: _HU}
