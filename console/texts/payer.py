"""What the payer's page says: no more than our own row does, and always whether to pay again."""

from typing import Final

EN: Final = {
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
}

HU: Final = {
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
}
