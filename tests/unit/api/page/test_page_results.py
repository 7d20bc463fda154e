"""What the playground makes of the results of a job."""

from __future__ import annotations

from support.playground_script import run_program

MODULES = ("api", "dom", "run")
FAULT = '{ index: 1, code: "unsupported_media", message: "not an image" }'


def test_the_results_of_a_job_with_labels_are_one_question_without_a_name() -> None:
    result = run_program(
        "async function main() { return run_module.byQuestion({ predictions: ['cat', null], scores: [[], []] }); }", *MODULES
    )

    assert [(each["name"], each["predictions"]) for each in result["value"]] == [("", ["cat", None])]


def test_the_results_of_a_job_with_questions_are_divided_by_their_names() -> None:
    result = run_program(
        f"""
        const answer = {{
          predictions: {{ mood: ["calm", null], topics: [["card"], null] }},
          scores: {{
            mood: [[{{ label: "calm", probability: 0.9 }}], null],
            topics: [[{{ label: "card", probability: 0.7 }}], null],
          }},
          errors: [{FAULT}],
        }};
        async function main() {{
          return run_module.byQuestion(answer).map((each) => [each.name, run_module.toRows(["a", "b"], each)]);
        }}
        """,
        *MODULES,
    )

    (mood, (calm, failed)), (topics, (card, _)) = result["value"]
    assert (mood, topics) == ("mood", "topics")
    assert (calm["labels"], calm["scores"][0]["probability"]) == (["calm"], 0.9)
    assert (card["labels"], card["scores"][0]["probability"]) == (["card"], 0.7)
    assert failed["error"]["code"] == "unsupported_media"


def test_questions_without_scores_have_rows_without_scores() -> None:
    result = run_program(
        "async function main() { return run_module.byQuestion({ predictions: { mood: ['calm'] } })"
        ".map((each) => run_module.toRows(['a'], each)); }",
        *MODULES,
    )

    assert result["value"] == [[{"sample": "a", "labels": ["calm"], "scores": [], "error": None}]]
