"""The contract between two versions: what the champion's clients may send is taken, what they read is still there.

Judged by what the service's doors do with a request (docs/serving.md), whatever the signature says beside that:

* every column must be in every request, an optional one too; the Open Inference Protocol and TensorFlow's rows refuse
  columns that the model does not have, MLflow's forms and TensorFlow's columns ignore them;
* whole numbers go into columns of fractional ones, never the other way; what is out of a type's range is refused;
* a model of numbers also takes rows as plain lists, in the order of its columns;
* answers are called `prediction` on every door, whatever the model calls its outputs; no params reach the model.
"""
