"""Mutants of what Temporal keeps of us: sealed, bound to its workflow, opened for operators only."""

from tests.mutants.mutant import Edit, Mutant

PAYLOADS = "tests/security/test_payloads.py::"
DOOR = "tests/security/test_codec_endpoint.py::"

MUTANTS = (
    Mutant(
        name="a-payload-fits-every-workflow",
        breaks="Whoever can write to Temporal's database gives one payment the happy end of another.",
        edits=(Edit("workflows/payloads.py", '_owner(context.workflow_id or "")', 'b""'),),
        killers=(f"{PAYLOADS}test_a_payload_does_not_open_in_another_workflow_nor_with_its_label_changed",),
    ),
    Mutant(
        name="failures-speak",
        breaks="Messages and stack traces, which may hold a customer's data, lie open in Temporal.",
        edits=(
            Edit(
                "workflows/payloads.py",
                "payload_codec=codec, failure_converter_class=failures)",
                "payload_codec=codec)",
            ),
        ),
        killers=(f"{PAYLOADS}test_a_failure_gives_neither_its_words_nor_its_place_away",),
    ),
    Mutant(
        name="any-page-may-ask-for-payloads",
        breaks="A page that an operator visits reads payments with the operator's own cookies.",
        edits=(Edit("api/codec.py", "here.temporal_ui is None or origin != here.temporal_ui", "False"),),
        killers=(f"{DOOR}test_no_other_page_may[null]",),
    ),
    Mutant(
        name="a-stranger-has-payloads-opened",
        breaks="Whoever reaches the API reads what Temporal keeps of everybody's payments.",
        edits=(
            Edit(
                "api/codec.py",
                "    await operator_session(request, here)\n    return PLATFORM",
                "    return PLATFORM",
            ),
        ),
        killers=(f"{DOOR}test_a_strangers_body_is_not_even_looked_at",),
    ),
)
