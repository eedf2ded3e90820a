"""Which sound shows which mouth, and that lips which must meet do meet."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generators.embedded import coarticulation
from generators.embedded.coarticulation import REACH, channel_curves
from generators.embedded.pose import CHANNELS
from generators.embedded.visemes import (
    CLASS_OF,
    DOMINANCE,
    SHORTEST_CLOSURE,
    TARGETS,
    VISEMES,
    Viseme,
    classes,
    posteriors,
    spans,
    unknown,
)
from generators.speech.espeak import Espeak, Phone
from generators.speech.phonemes import symbols

JAW, PRESS, PUCKER, FTUCK = (CHANNELS.index(name) for name in ("jaw", "press", "pucker", "ftuck"))

SENTENCES = {
    "en-us": "The quick brown fox jumps over the lazy dog, which measured three usual yards of church thread.",
    "en-gb-x-rp": "Father heard the nurse laugh; a boy poured pure beer here, there and everywhere.",
    "de": "Zwölf große Boxkämpfer jagen Viktor über den Sylter Deich, ich auch, Pferd und Tschüss.",
    "fr-fr": "Voix ambiguë d'un cœur qui préfère les jattes de kiwis, un bon vin blanc, l'oignon, la nuit.",
    "es": "El pingüino Wenceslao hizo kilómetros bajo exhaustiva lluvia, añoraba a su querido cachorro.",
    "it": "Quel vituperabile xenofobo zelante assaggia il whisky ed esclama: gli gnocchi, alleluja!",
    "pt-br": "Luís argüia à Júlia que brações, fé, chá, óxido, pôr, zângão eram palavras do português.",
    "pl": "Zażółć gęślą jaźń, chrząszcz brzmi w trzcinie w Szczebrzeszynie.",
    "ru": "Съешь же ещё этих мягких французских булок, да выпей чаю.",
    "tr": "Pijamalı hasta yağız şoföre çabucak güvendi.",
    "ar": "نص حكيم له سر قاطع وذو شأن عظيم مكتوب على ثوب أخضر ومغلف بجلد أزرق.",
    "cmn": "我能吞下玻璃而不伤身体，今天天气很好，我们去上海。",
    "ja": "いろはにほへとちりぬるを、わかよたれそつねならむ。",
    "hi": "ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण का सर्वनाश करने वाले।",
    "ko": "키스의 고유조건은 입술끼리 만나야 하고 특별한 기술은 필요치 않다.",
    "nl": "Pa's wijze lynx bezag vroom het fikse aquaduct, geen huis zonder muis.",
    "sv": "Flygande bäckasiner söka hwila på mjuka tuvor, sju sköna sjuksköterskor.",
    "sw": "Haraka haraka haina baraka, mbwa na ng'ombe.",
}


def needs_voice() -> Espeak:
    pytest.importorskip("espeakng_loader", reason="the optional voice is not installed")
    return Espeak()


@pytest.mark.parametrize(
    ("ipa", "expected"),
    [
        ("ˈoʊ", "OO UU"),
        ("aɪ", "AA IH"),
        ("tʃ", "CH"),
        ("th", "DD"),
        ("ˈɑː", "AA"),
        ("ç", "KK"),
        ("ã", "AA"),
        ("m̩", "PP"),
        ("pf", "PP"),
        ("", "SIL"),
        ("_:", "SIL"),
        ("nʲ", "DD"),
        ("iː", "IH"),
        ("ˈʊɹ", "UU RR"),
    ],
)
def test_sounds_to_classes(ipa: str, expected: str) -> None:
    assert [viseme.name for viseme in classes(ipa)] == expected.split()


def test_affricates_stay_whole() -> None:
    assert symbols("ˈtʃeɪndʒ") == ("tʃ", "e", "ɪ", "n", "dʒ")


@pytest.mark.parametrize("language", SENTENCES)
def test_every_sound_of_a_language_has_a_class(language: str) -> None:
    speech = needs_voice().speak(SENTENCES[language], voice=language)
    misses = {sound for phone in speech.phones for sound in unknown(phone.ipa)}
    assert not misses, f"no class for {sorted(misses)} in {language}"
    assert len({viseme for phone in speech.phones for viseme in classes(phone.ipa)}) >= 7


@given(st.text(max_size=6))
def test_an_unknown_name_still_has_a_mouth(ipa: str) -> None:
    found = classes(ipa)
    assert found
    assert all(isinstance(viseme, Viseme) for viseme in found)


def test_an_unknown_sound_takes_its_base_letter_class() -> None:
    assert "ᶑ" not in CLASS_OF
    assert classes("B") == (Viseme.PP,)
    assert unknown("B") == ("B",)


def test_targets_are_within_what_the_renderer_shows() -> None:
    assert TARGETS.shape == DOMINANCE.shape == (VISEMES, len(CHANNELS))
    assert (TARGETS >= 0).all()
    assert TARGETS[:, JAW].max() < 0.25
    assert (DOMINANCE > 0).all()
    assert not TARGETS[Viseme.SIL].any()
    assert TARGETS[Viseme.PP, JAW] == 0


PHONES = st.lists(
    st.tuples(st.floats(0.005, 0.3), st.sampled_from(["p", "b", "m", "a", "i", "u", "s", "f", "ʃ", "k", "", "oʊ"])),
    min_size=1,
    max_size=25,
)


def phones_of(parts: list[tuple[float, str]]) -> list[Phone]:
    ends = np.cumsum([length for length, _ in parts])
    starts = [0.0, *ends[:-1]]
    return [
        Phone(start=float(start), end=float(end), ipa=ipa)
        for start, end, (_, ipa) in zip(starts, ends, parts, strict=True)
    ]


@given(PHONES)
def test_spans_keep_order_and_leave_no_gap(parts: list[tuple[float, str]]) -> None:
    pieces = spans(phones_of(parts))
    assert pieces[0][0] == 0.0
    for (start, end, _), (following, _, _) in pairwise(pieces):
        assert start < end == following


def test_a_short_closure_is_widened_at_the_cost_of_the_sound_before() -> None:
    pieces = spans(
        [Phone(start=0, end=0.2, ipa="a"), Phone(start=0.2, end=0.23, ipa="p"), Phone(start=0.23, end=0.4, ipa="a")]
    )
    assert pieces[1] == (pytest.approx(0.23 - SHORTEST_CLOSURE), 0.23, Viseme.PP)
    squeezed = spans([Phone(start=0, end=0.03, ipa="a"), Phone(start=0.03, end=0.05, ipa="p")])
    assert squeezed[0] == (0.0, pytest.approx(0.01), Viseme.AA)


@given(PHONES)
def test_probabilities_add_up(parts: list[tuple[float, str]]) -> None:
    phones = phones_of(parts)
    seconds = phones[-1].end
    table = posteriors(phones, seconds=seconds)
    assert table.shape == (int(np.ceil(100 * seconds - 1e-6)), VISEMES)
    assert np.allclose(table.sum(axis=1), 1.0)
    assert table.min() >= -1e-12
    for viseme in Viseme:
        if viseme is not Viseme.SIL:
            lasting = sum(end - start for start, end, which in spans(phones) if which is viseme)
            assert table[:, viseme].sum() / 100 == pytest.approx(lasting, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(PHONES, st.lists(st.integers(0, 40), min_size=1, max_size=30))
def test_curves_in_chunks_equal_curves_of_the_whole(parts: list[tuple[float, str]], cuts: list[int]) -> None:
    phones = phones_of(parts)
    table = posteriors(phones, seconds=phones[-1].end)
    chunks, begin = [], 0
    while begin < len(table):
        for cut in cuts:
            chunks.append(table[begin : begin + cut])
            begin += cut
        if not any(cuts):
            chunks.append(table[begin:])
            break
    together = np.concatenate(list(coarticulation.stream(chunks)))
    whole = channel_curves(table)
    assert whole.shape == together.shape == (len(table), len(CHANNELS))
    assert np.abs(whole - together).max() < 1e-5


def test_no_input_gives_no_curve() -> None:
    assert channel_curves(np.zeros((0, VISEMES))).shape == (0, len(CHANNELS))


def test_silence_is_a_closed_resting_mouth() -> None:
    table = posteriors([], seconds=3.0)
    assert not channel_curves(table).any()


def test_curves_stay_within_the_targets() -> None:
    random = np.random.default_rng(5)
    table = random.dirichlet(np.full(VISEMES, 0.2), size=400)
    curves = channel_curves(table)
    assert curves.min() >= 0
    assert (curves <= TARGETS.max(axis=0) + 1e-9).all()


def test_a_held_sound_reaches_its_target() -> None:
    table = np.zeros((4 * REACH, VISEMES))
    for viseme in Viseme:
        table[:] = 0
        table[:, viseme] = 1
        assert np.allclose(channel_curves(table)[2 * REACH], TARGETS[viseme])


def closures(text: str, fps: float) -> tuple[list[float], list[float], list[float]]:
    """Smallest jaw opening at a frame of each p, b, m; largest between; press at the closest frame."""
    speech = needs_voice().speak(text)
    curves = channel_curves(posteriors(speech.phones, seconds=speech.duration))
    times = np.arange(0, speech.duration - 0.02, 1 / fps)
    jaw, press = (np.interp(times * 100, np.arange(len(curves)), curves[:, c]) for c in (JAW, PRESS))
    shut, pressed, opened = [], [], []
    last = 0.0
    for start, end, viseme in spans(speech.phones):
        if viseme is Viseme.PP:
            inside = (times >= start - 0.01) & (times <= end + 0.01)
            shut.append(float(jaw[inside].min()))
            pressed.append(float(press[inside].max()))
            between = (times > last) & (times < start)
            if between.sum() >= 3:
                opened.append(float(jaw[between].max()))
            last = end
    return shut, opened, pressed


@pytest.mark.parametrize("fps", [25, 30])
def test_lips_meet_on_every_p_b_m_and_part_between(fps: float) -> None:
    shut, opened, pressed = closures(
        "Papa and Bob make my home a happy place. Pump up the big purple balloon, mom.", fps
    )
    assert len(shut) > 15
    assert max(shut) <= 0.02
    assert min(pressed) >= 0.02
    assert np.median(opened) >= 0.04
    assert np.mean(np.array(opened) >= 0.04) > 0.8


def test_rounding_is_seen_on_rounded_vowels_only() -> None:
    curves = channel_curves(posteriors(phones_of([(0.2, "u"), (0.2, "s"), (0.2, "i")]), seconds=0.6))
    assert curves[10, PUCKER] > 0.09
    assert curves[50, PUCKER] < 0.01


def test_lower_lip_meets_teeth_on_f() -> None:
    curves = channel_curves(posteriors(phones_of([(0.2, "a"), (0.08, "f"), (0.2, "a")]), seconds=0.48))
    assert curves[24, FTUCK] > 0.8 * TARGETS[Viseme.FF, FTUCK]
    assert curves[24, JAW] < 0.06
