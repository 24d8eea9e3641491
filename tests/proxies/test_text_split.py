from hypothesis import given
from hypothesis import strategies as st

from nas_search.proxies.text_split import Document, split_documents, split_lines


@given(st.text())
def test_split_lines_keeps_every_character(text: str) -> None:
    split = split_lines(text)
    assert split.train + split.validation == text


def test_split_lines_cuts_behind_a_line() -> None:
    split = split_lines("0123456789\n" * 100)
    assert split.train == "0123456789\n" * 90
    assert split.validation == "0123456789\n" * 10


def test_split_lines_without_line_ends_holds_out_a_tenth() -> None:
    assert split_lines("x" * 1000) == ("x" * 900, "x" * 100)


@given(st.lists(st.text(), min_size=2, max_size=30, unique=True))
def test_every_document_is_on_one_side_and_both_sides_have_some(keys: list[str]) -> None:
    documents = [Document(key, f"document {index}") for index, key in enumerate(keys)]
    split = split_documents(documents)
    train, validation = set(split.train.splitlines()), set(split.validation.splitlines())
    assert train | validation == {document.text for document in documents}
    assert not train & validation
    assert train
    assert validation


def test_a_tenth_of_many_documents_is_held_out() -> None:
    split = split_documents([Document(str(index), "x") for index in range(2000)])
    assert 150 < split.validation.count("x") < 250


def test_a_document_stays_on_its_side_when_others_are_added() -> None:
    documents = [Document(str(index), f"document {index}") for index in range(200)]
    fewer = set(split_documents(documents[:150]).validation.splitlines())
    assert fewer <= set(split_documents(documents).validation.splitlines())


def test_equal_keys_go_to_the_same_side() -> None:
    keys = [str(index) for index in range(50)] * 2
    split = split_documents([Document(key, key) for key in keys])
    assert not set(split.train.splitlines()) & set(split.validation.splitlines())
