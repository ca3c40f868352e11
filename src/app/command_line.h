#pragma once

namespace millrace::app {

// What every verb's exit status means.
enum ExitStatus : int {
  kExitOk = 0,
  kExitFailed = 1,    // it was tried and did not work; the message says why
  kExitUsage = 2,     // the command line, configuration or pipeline file is wrong
  kExitNotExact = 3,  // a verification found a difference
  kExitNoServer = 4,  // no running instance was found
};

// Parses the arguments, runs the verb, prints, and gives the process's exit status.
int run_command_line(int argc, char** argv);

}  // namespace millrace::app
