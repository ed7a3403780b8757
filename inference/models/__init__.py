"""One folder per model. Adding a model is adding a folder; no other file changes.

A folder `NAME` holds

``__init__.py``
    A docstring. Imports nothing.
``facts.py``
    ``FACTS: ModelFacts`` with ``FACTS.name == "NAME"``. Imports only `inference.model_facts`.
``prepare.py``
    ``PREPARE_VERSION: str`` (equal to ``FACTS.prepare_version``) and
    ``prepare(image, networks) -> Prepared | Refusal``. Training and serving import the same
    one. ``networks`` maps each role of ``FACTS.networks`` to an opened network, so that a lung
    finder can decide the box, and `prepare` can refuse. ``Prepared.organ`` says where in the box
    the organ is: from it comes the share of the heat map that lies outside.
``gate.py`` (optional)
    ``check(image) -> GateResult``: what only this model minds, after the generic gate.
``interpret.py`` (optional)
    ``interpret(prepared, outputs) -> Interpreted``. Without it: output 0 of the network
    "classifier" is the calibrated probabilities, shape (n, classes), averaged over n; output 1,
    if there is one, is the class activation map of the target's logit, shape (n, h, w) or
    (n, h, w, 1), averaged over n and drawn between ``FACTS.heat_map_range``; further outputs are
    passed over. With it: ``Interpreted.reasons`` refuse an image after the networks have run,
    ``interval`` and ``extent`` go with the probability.
``aside.py`` (optional)
    ``aside(image, prepared, networks) -> Aside | None``: the answer to another question about an
    image that is refused for the patient's age alone. Asked only if the age is known and lies in
    ``FACTS.aside_ages``; it never names the target class.
``weights/*.onnx``
    Named by ``FACTS.networks`` with their SHA-256.
``golden.json``
    Golden probabilities (see `inference.golden`), reproduced at every start within 0.005.
``MODEL_CARD.md``, ``WEIGHTS_LICENSE.md``, ``plots/*.svg``
    For people; the application shows them at ``/models/NAME``. The card has the headings that
    ``tests/inference/test_every_model.py`` looks for. Plots need no style sheet.
``training.toml``, ``network.py``
    For training; serving reads neither.

A folder's modules import each other relatively (``from .facts import FACTS``), so that a folder
outside the distribution works like one in it. The types are in `inference.model_facts`,
`inference.model_folder` and `inference.prediction`.
"""
