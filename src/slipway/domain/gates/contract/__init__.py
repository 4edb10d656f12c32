"""The contract between two versions: requests of the champion's clients are accepted, and their answers can be read.

Judged by what the service's protocol handlers do with a request (docs/serving.md), not by the signature alone:

* every column must be in every request, an optional one too; the Open Inference Protocol and TensorFlow's rows refuse
  columns that the model does not have, MLflow's forms and TensorFlow's columns ignore them;
* whole numbers are accepted in columns of fractional ones, never the other way; numbers out of a type's range are
  refused;
* a model of numbers also takes rows as plain lists, in the order of its columns;
* answers are named `prediction` in every protocol, however the model names its outputs; no params reach the model.
"""
