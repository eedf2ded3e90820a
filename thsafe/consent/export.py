"""A consent as a record after ISO/IEC TS 27560:2023, for the person and for auditors; nothing in it is signed anew.

Field names follow the specification's record structure (header, PII processing, parties, events). Where the
specification wants a value that this house does not have, the field is absent, never invented.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from thsafe.consent import proof
from thsafe.consent.record import ConsentRecord, date_time
from thsafe.core.types import Json

SCHEMA: Final = "ISO/IEC TS 27560:2023"


def iso27560(record: ConsentRecord, *, facts: Mapping[str, bool], uses: int) -> dict[str, Json]:
    """The consent record as plain JSON.

    Args:
        record: the consent.
        facts: ``revoked`` and ``suspended``, as the status list says now.
        uses: how often it was used.
    """
    terms, scope = record.terms, record.terms.scope
    state = "withdrawn" if facts["revoked"] else "suspended" if facts["suspended"] else "given"
    return {
        "schema_version": SCHEMA,
        "record_id": record.id,
        "record_digest": record.digest,
        "pii_principal_id": record.subject,
        "pii_processing": {
            "privacy_notice": terms.notice_ref or "none referenced",
            "language": list(scope.languages),
            "purposes": [
                {
                    "purpose": purpose,
                    "purpose_description": scope.uses_text,
                    "lawful_basis": "consent",
                    "processing_methods": list(scope.modes),
                    "pii_information": [
                        {
                            "pii_type": f"face in {item.role}",
                            "pii_attribute_id": item.sha256,
                            "sensitive_pii_category": True,
                        }
                        for item in terms.references
                    ],
                    "jurisdictions": list(scope.territories),
                    "distribution_channels": list(scope.channels),
                    "collection_method": "countersigned record" if record.assurance != "self" else "self-service",
                    "retention_period": f"until {date_time(terms.valid_until)}",
                    "withdrawal_method": f"thsafe consent revoke {record.id}",
                    "withdrawal_effect": terms.on_withdrawal,
                    "biometric_handling": dict(terms.biometric),
                }
                for purpose in scope.purposes
            ],
            "purposes_excluded": list(scope.prohibited),
            "maximum_uses": scope.max_uses,
            "uses_so_far": uses,
        },
        "party_identification": [
            {"party_id": terms.licensee, "party_role": "pii_controller"},
            {"party_id": record.collector, "party_role": "consent_collector"},
            *({"party_id": item.did, "party_role": "delegate"} for item in terms.delegates),
        ],
        "events": [
            {"event_type": "signature", "event_time": item.created, "entity_id": item.signer}
            for item in proof.verified(record.document)
        ]
        + [
            {
                "event_type": "consent_state",
                "event_state": state,
                "event_time": date_time(terms.valid_from),
                "validity_duration": f"{date_time(terms.valid_from)}/{date_time(terms.valid_until)}",
            }
        ],
    }
