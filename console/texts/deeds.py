"""What the console says before something is done about a payment, and after it."""

from typing import Final

EN: Final = {
    "done_payment_cancelled": "The payment is cancelled. It cannot be paid any more.",
    "done_cancel_asked": "The payment company is being asked to close the checkout. This page shows the "
    "outcome when it has answered.",
    "done_refund_begun": "The refund is on its way. This page shows when the payment company has confirmed "
    "it.",
    "done_refund_asked": "The refund waits for an approver.",
    "done_review_asked": "An approver of the tenant has been asked.",
    "done_delivery_again": "The webhook is being sent again.",
    "deed_reason": "Reason",
    "deed_leave": "Leave it as it is",
    "cancel_title": "Cancel this payment?",
    "cancel_text": "{user} will not be able to pay {amount} any more, and the order is free for another "
    "payment.",
    "cancel_perhaps_paid": "If the money is on its way already, the payment company says so, and the "
    "payment succeeds instead.",
    "cancel_button": "Cancel the payment",
    "refund_title": "Give money back",
    "refund_left": "Up to {left} of this payment of {user} can go back.",
    "refund_amount": "Amount in {currency}",
    "refund_amount_hint": "As in 12.50. The next page shows what will happen; until then nothing does.",
    "refund_next": "Next",
    "refund_no_amount": "This is no amount of this currency. Write it as in 12.50.",
    "refund_too_much": "That is more than is left: {left} at most can go back.",
    "giving_title": "Give back {amount}?",
    "giving_what": "What will happen",
    "giving_goes": "{amount} goes back to {user} through {provider}, the way it was paid.",
    "giving_mail": "The payer's e-mail address is {email}.",
    "giving_all": "That is all there is left of this payment.",
    "giving_remains": "{remains} of this payment remains.",
    "giving_rights_end": "{user} loses what this payment gave: {rights}.",
    "giving_rights_stay": "{user} keeps what this payment gave: {rights}.",
    "giving_no_rights": "Nobody has a right from this payment that could end.",
    "giving_credit_note": "The invoice gets a credit note.",
    "giving_approval": "It is so much that an approver must agree before anything goes out.",
    "giving_at_once": "It goes out at once and cannot be called back.",
    "giving_reason_hint": "Stands on the refund for everybody who sees this payment. You may leave it empty.",
    "giving_button": "Give back {amount}",
    "giving_ask": "Ask to give back {amount}",
    "review_accept_title": "Accept this money?",
    "review_accept_text": "{amount} arrived, and {ordered} was ordered. If an approver agrees, the payment "
    "counts as paid, and {user} gets what was ordered.",
    "review_refund_title": "Give this money back?",
    "review_refund_text": "{amount} arrived, and {ordered} was ordered. If an approver agrees, all of it "
    "goes back to {user}, and the payment fails.",
    "review_two": "You propose; another person, with the role approver, decides. Until then nothing happens.",
    "review_reason_hint": "What the approver should know. You may leave it empty.",
    "review_button": "Ask an approver",
}

HU: Final = {
    "done_payment_cancelled": "A fizetést töröltük, már nem lehet kifizetni.",
    "done_cancel_asked": "A szolgáltatót megkértük a fizetés lezárására. Amint válaszol, az eredmény itt "
    "látszik.",
    "done_refund_begun": "A visszatérítés elindult. Ha a szolgáltató megerősítette, itt látszik.",
    "done_refund_asked": "A visszatérítés jóváhagyóra vár.",
    "done_review_asked": "A kérdés a cég jóváhagyója elé került.",
    "done_delivery_again": "A webhookot újra elküldjük.",
    "deed_reason": "Indok",
    "deed_leave": "Maradjon, ahogy van",
    "cancel_title": "Törli ezt a fizetést?",
    "cancel_text": "{user} már nem fizetheti ki ezt: {amount}. A rendelésre új fizetés indítható.",
    "cancel_perhaps_paid": "Ha a pénz már úton van, a szolgáltató ezt jelzi, és a fizetés mégis sikeres "
    "lesz.",
    "cancel_button": "A fizetés törlése",
    "refund_title": "Visszatérítés",
    "refund_left": "{user} fizetéséből legfeljebb ennyi téríthető vissza: {left}.",
    "refund_amount": "Összeg ({currency})",
    "refund_amount_hint": "Például 12,50. A következő oldal megmutatja, mi fog történni; addig semmi sem "
    "történik.",
    "refund_next": "Tovább",
    "refund_no_amount": "Ez nem értelmezhető összegként ebben a pénznemben. Írja így: 12,50.",
    "refund_too_much": "Ez több annál, mint ami maradt: legfeljebb {left} téríthető vissza.",
    "giving_title": "Visszatéríti? {amount}",
    "giving_what": "Mi fog történni",
    "giving_goes": "{user} visszakapja azon az úton, ahogyan fizetett ({provider}): {amount}.",
    "giving_mail": "A fizető e-mail-címe: {email}.",
    "giving_all": "Ezzel az egész hátralévő összeg visszamegy.",
    "giving_remains": "Ennyi marad ebből a fizetésből: {remains}.",
    "giving_rights_end": "{user} elveszíti, amit ez a fizetés adott: {rights}.",
    "giving_rights_stay": "{user} megtartja, amit ez a fizetés adott: {rights}.",
    "giving_no_rights": "Ebből a fizetésből senkinek sincs olyan jogosultsága, amely megszűnhetne.",
    "giving_credit_note": "A számlához jóváíró számla készül.",
    "giving_approval": "Ekkora összeghez előbb egy jóváhagyónak is bele kell egyeznie.",
    "giving_at_once": "Azonnal elindul, és nem vonható vissza.",
    "giving_reason_hint": "A visszatérítés mellett mindenki látja, aki ezt a fizetést látja. Üresen is "
    "hagyhatja.",
    "giving_button": "Visszatérítés: {amount}",
    "giving_ask": "Jóváhagyás kérése: {amount}",
    "review_accept_title": "Elfogadja ezt a pénzt?",
    "review_accept_text": "Megrendelve: {ordered}, beérkezett: {amount}. Ha egy jóváhagyó egyetért, a "
    "fizetés teljesítettnek számít, és {user} megkapja, amit rendelt.",
    "review_refund_title": "Visszaadja ezt a pénzt?",
    "review_refund_text": "Megrendelve: {ordered}, beérkezett: {amount}. Ha egy jóváhagyó egyetért, az "
    "egész összeg visszamegy ({user}), és a fizetés sikertelen lesz.",
    "review_two": "Ön javaslatot tesz; más, jóváhagyó szerepkörű személy dönt. Addig semmi sem történik.",
    "review_reason_hint": "Amit a jóváhagyónak tudnia kell. Üresen is hagyhatja.",
    "review_button": "Jóváhagyó megkérdezése",
}
