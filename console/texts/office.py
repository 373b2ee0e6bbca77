"""What pages say of people: who approves, who may log in, which tenants there are, what they have chosen."""

from typing import Final

EN: Final = {
    "apr_waiting": "Waiting for a second person",
    "apr_none": "Nothing waits.",
    "apr_decided": "Decided",
    "apr_what": "What",
    "apr_by": "Asked by",
    "apr_since": "Asked",
    "apr_until": "Decide before",
    "apr_decider": "Decided by",
    "apr_when": "Decided at",
    "apr_nobody": "nobody in time",
    "apr_reason": "Reason",
    "apr_refund": "Refund",
    "apr_refund_does": "If you approve, {amount} goes back to the payer. If you reject, nothing moves, "
    "and the amount can be asked for again.",
    "apr_review_accept": "Accept money under review",
    "apr_review_accept_does": "If you approve, the payment counts as paid with the {amount} that arrived, "
    "though that is not what was ordered. If you reject, it stays under review.",
    "apr_review_refund": "Give money under review back",
    "apr_review_refund_does": "If you approve, the {amount} that arrived goes back to the payer, and the "
    "payment has failed. If you reject, it stays under review.",
    "apr_approve": "Approve",
    "apr_reject": "Reject",
    "apr_mine": "You asked for this, so somebody else decides.",
    "apr_not_approver": "People with the role of an approver decide.",
}

HU: Final = {
    "apr_waiting": "Második személyre vár",
    "apr_none": "Semmi sem vár.",
    "apr_decided": "Eldöntve",
    "apr_what": "Mi",
    "apr_by": "Kérte",
    "apr_since": "Kérve",
    "apr_until": "Eddig kell dönteni",
    "apr_decider": "Döntött",
    "apr_when": "Döntés ideje",
    "apr_nobody": "senki sem döntött időben",
    "apr_reason": "Indok",
    "apr_refund": "Visszatérítés",
    "apr_refund_does": "Ha jóváhagyja, {amount} visszakerül a fizetőhöz. Ha elutasítja, nem mozdul semmi, "
    "és az összeg újra kérhető.",
    "apr_review_accept": "Ellenőrzés alatti pénz elfogadása",
    "apr_review_accept_does": "Ha jóváhagyja, a fizetés a beérkezett összeggel ({amount}) teljesítettnek "
    "számít, bár nem ennyi volt a rendelés. Ha elutasítja, ellenőrzés alatt marad.",
    "apr_review_refund": "Ellenőrzés alatti pénz visszaadása",
    "apr_review_refund_does": "Ha jóváhagyja, a beérkezett összeg ({amount}) visszakerül a fizetőhöz, és a "
    "fizetés sikertelen lesz. Ha elutasítja, ellenőrzés alatt marad.",
    "apr_approve": "Jóváhagyás",
    "apr_reject": "Elutasítás",
    "apr_mine": "Ezt Ön kérte, ezért valaki más dönt róla.",
    "apr_not_approver": "Erről a jóváhagyó szerepkörűek döntenek.",
}
