"""The guide to approvals, typed in as it stands."""

import asyncio
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from tests.house import House, Json
from tests.stories.tenancy import colleague
from tests.stories.test_approvals import reviewed
from tests.stories.test_refunds import becomes, paid

GUIDE = (Path(__file__).parents[2] / "docs/integration/approvals.md").read_text()


def typed(*words: str) -> str:
    """The one command of the guide that holds these words."""
    blocks = re.findall(r"^```sh\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    commands = [command for block in blocks for command in re.split(r"\n(?=curl)", block)]
    (found,) = [command for command in commands if all(word in command for word in words)]
    return found


@dataclass(frozen=True)
class Shell:
    """Where the guide's variables are set, and its dots are filled in."""

    variables: dict[str, str]
    dots: dict[str, str] = field(default_factory=dict)

    async def enter(self, command: str) -> Json:
        for prefix, known in self.dots.items():
            command = command.replace(f"{prefix}_…", known)
        process = await asyncio.create_subprocess_exec(
            *("sh", "-euc", command), env=os.environ | self.variables, stdout=asyncio.subprocess.PIPE
        )
        printed, _ = await process.communicate()
        answer: Json = json.loads(printed)
        assert "code" not in answer, answer
        return answer


async def test_the_guide_leads_from_a_threshold_to_a_decision(house: House) -> None:
    tenant = await house.tenant()
    shell = Shell({"API": house.ready["apiUrl"], "TOKEN": tenant.token, "no_proxy": "*"})
    eve = await shell.enter(typed("/credentials"))
    shell.variables["EVE"] = await tenant.login(eve["appSecret"])
    await shell.enter(typed("refundApprovalThreshold"))
    shell.dots["pay"] = (await paid(tenant))["id"]
    asked = await shell.enter(typed("/refunds"))
    (pending,) = (await shell.enter(typed("status=PENDING")))["data"]
    assert (asked["status"], pending["id"]) == ("PENDING_APPROVAL", asked["approvalId"])
    shell.dots["apr"] = pending["id"]
    decided = await shell.enter(typed("/approve"))
    shown = GUIDE.partition("## 4. Decide")[2].partition("```json\n")[2].partition("```")[0]
    assert decided.keys() == json.loads(shown).keys()
    await becomes(tenant, asked, "SUCCEEDED")


async def test_the_guide_leads_to_a_proposal_about_money_under_review(house: House) -> None:
    tenant = await house.tenant()
    approver = await colleague(tenant, "approver")
    shell = Shell(
        {"API": house.ready["apiUrl"], "TOKEN": tenant.token, "EVE": approver.token, "no_proxy": "*"},
        {"pay": (await reviewed(tenant))["id"]},
    )
    shell.dots["apr"] = (await shell.enter(typed("/review")))["id"]
    assert (await shell.enter(typed("/reject")))["status"] == "REJECTED"
