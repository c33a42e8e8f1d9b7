# The packages of the functions: those of a release, or those that are named one by one. `make release` gives the files of a
# release these names.
locals {
  packages = var.release == null ? {
    detector = var.detector_package
    api      = var.api_package
    notifier = var.notifier_package
    } : {
    for function, program in { detector = "anomaly-detection", api = "anomaly-api", notifier = "anomaly-notifier" } :
    function => "${trimsuffix(var.release_location, "/")}/${var.release}/${program}-${var.architecture}.zip"
  }
}
