document.title = "A script for the tests of the API";
