"""Rerank, in Jina's shape and in Cohere's: the same list for the same query is paid for once."""
import pytest
import requests

from conftest import Outrigger, Sim, upstream
from wires import result

DOCUMENTS = ["Shipping takes two days.", "The lamp is blue.", "Returns are free for thirty days."]
JINA = {"model": "jina-reranker-v2-base-multilingual", "query": "How long does shipping take?", "documents": DOCUMENTS, "top_n": 2}
COHERE = {**JINA, "model": "rerank-v3.5"}
SHAPES = {"jina": ("/v1/rerank", JINA), "cohere v2": ("/v2/rerank", COHERE)}


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    directory = tmp_path_factory.mktemp("rerank")
    sim = Sim(directory)
    proxy = Outrigger(directory, f'[[upstream]]\nname = "sim"\nurl = "{sim.url}"\n')
    yield sim, proxy
    proxy.stop()
    sim.stop()


@pytest.fixture(autouse=True)
def empty(one):
    requests.post(one[1].admin + "/api/cache/purge", json={"all": True}).raise_for_status()
    one[0].reset()
    one[0].faults("")


def ask(one, path, body, key="sk-test"):
    return requests.post(one[1].url + path, json=body, headers={"authorization": f"Bearer {key}"}, timeout=10)


@pytest.mark.parametrize("path,body", SHAPES.values(), ids=SHAPES)
def test_the_same_list_is_asked_for_once(one, path, body):
    sim, _ = one
    first, again = ask(one, path, body), ask(one, path, dict(reversed(body.items())))
    assert (result(first), result(again)) == ("miss", "hit")
    assert first.json()["results"] == again.json()["results"] and len(first.json()["results"]) == 2
    direct = requests.post(sim.url + path, json=body).json()
    assert direct["results"] == again.json()["results"] and set(direct) == set(again.json())
    assert sim.calls() == 2 and sim.stats()["last"][0]["path"] == path


@pytest.mark.parametrize("path,body", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("other", [{"top_n": 1}, {"top_n": 3}, {"documents": DOCUMENTS[::-1]}, {"documents": DOCUMENTS[:2]},
                                   {"query": "How long does shipping take"}, {"query": "Is it blue?"}, {"model": "another"},
                                   {"return_documents": False}, {"something_new": 1}], ids=str)
def test_another_list_is_another_question(one, path, body, other):
    assert result(ask(one, path, body)) == "miss"
    assert result(ask(one, path, {**body, **other})) == "miss"
    assert result(ask(one, path, body)) == "hit"
    assert result(ask(one, path, body, key="sk-another")) == "miss"


CHECK = {"query": "What is the capital of the United States?", "top_n": None, "return_documents": True, "documents": [
    "Carson City is the capital city of the American state of Nevada. At the 2010 United States Census, Carson City had a population "
    "of 55,274.",
    "The Commonwealth of the Northern Mariana Islands is a group of islands in the Pacific Ocean that are a political division "
    "controlled by the United States. Its capital is Saipan."]}


@pytest.mark.parametrize("path,body", SHAPES.values(), ids=SHAPES)
def test_difys_check_of_credentials_reaches_the_provider(one, path, body):
    sim, _ = one
    for _ in range(2):
        assert result(ask(one, path, {"model": body["model"], **CHECK})) == "bypass; reason=ping"
    assert sim.calls() == 2
    sim.faults("[[fault]]\nstatus = 401\n")
    assert ask(one, path, {"model": body["model"], **CHECK}).status_code == 401


@pytest.mark.parametrize("path,body", SHAPES.values(), ids=SHAPES)
def test_errors_and_empty_lists_are_not_kept(one, path, body):
    sim, _ = one
    sim.faults("[[fault]]\nstatus = 400\n")
    assert ask(one, path, body).status_code == 400
    sim.faults("[[fault]]\nempty = true\n")
    assert result(ask(one, path, body)) == "miss"
    sim.faults("")
    assert [result(ask(one, path, body)) for _ in range(2)] == ["miss", "hit"]


def test_a_dead_reranker_falls_back_to_one_of_the_same_wire(start):
    sims = [start(Sim), start(Sim)]
    proxy = start(Outrigger, "".join(f'[[upstream]]\nname = "{n}"\nurl = "{s.url}"\nkeys = ["sk-{n}"]\n' for n, s in zip("ab", sims))
                  + '[[model]]\nname = "*"\nfallback = ["b"]\nretry = { attempts = 1 }\n')
    sims[0].faults("[[fault]]\nstatus = 503\n")
    answer = requests.post(proxy.url + "/v1/rerank", json=JINA)
    assert answer.status_code == 200 and answer.headers["x-outrigger-served-by"] == f"b:{JINA['model']}"
    assert requests.post(proxy.url + "/v1/rerank", json=JINA).headers["x-outrigger-cache"] == "hit"
