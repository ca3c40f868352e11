#pragma once

namespace millrace::app {

// What every verb's exit status means.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;  // it was tried and did not work; the message says why
inline constexpr int kExitUsage = 2;   // the command line, configuration or pipeline file is wrong
inline constexpr int kExitNotExact = 3;  // a verification found a difference
inline constexpr int kExitNoServer = 4;  // no running instance was found

// Parses the arguments, runs the verb, prints, and gives the process's exit status.
int run_command_line(int argc, char** argv);

}  // namespace millrace::app
