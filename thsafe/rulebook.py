"""The policies of one installation: the package's own, and those that its owner has added to make them stricter."""

from __future__ import annotations

from policies.bundle import ADDED, PACKAGE_FOLDER, PolicyBundle, read_added, read_files
from thsafe.consent.files import malformed, read_object
from thsafe.core.errors import ThsafeError
from thsafe.home import Home


def policies_of(home: Home) -> PolicyBundle:
    """The bundle that this installation's gate decides by.

    Raises:
        PolicyRefused: the added policies are unsound, permit something, or are not approved as they stand.
        InputError: the list of approvers is damaged.
    """
    approvers = approvers_of(home)
    return PolicyBundle.load(added=home.policies if home.policies.is_dir() or approvers else None, approvers=approvers)


def readable_policies_of(home: Home) -> tuple[PolicyBundle, ...]:
    """The same for those who only look, such as an audit: nothing where the added policies cannot be loaded."""
    try:
        return (policies_of(home),)
    except ThsafeError:
        return ()


def policy_files_of(home: Home) -> dict[str, str]:
    """The texts behind ``policies_of``'s digest, by name; errors as there."""
    files = read_files(PACKAGE_FOLDER)
    if home.policies.is_dir():
        files |= {f"{ADDED}{name}": text for name, text in read_added(home.policies).items()}
    return files


def approvers_of(home: Home) -> frozenset[str]:
    """DIDs of those who must have signed the added policies; nobody where there is no list.

    Raises:
        InputError: ``consent.malformed``: the list is damaged; whom to believe is never guessed.
    """
    if not home.approvers.is_file():
        return frozenset()
    listed = read_object(home.approvers, "list of approvers").get("approvers")
    if not isinstance(listed, list) or not listed or not all(isinstance(item, str) for item in listed):
        raise malformed("list of approvers", f"{home.approvers.name} has no list of DIDs under 'approvers'")
    return frozenset(listed)
