// Package check prints what the programs beside it find: a line for each part, `produce yes` or
// `produce no REASON`.
package check

import (
	"fmt"
	"os"
	"time"
)

// Seconds is how long a part may wait for anything.
const Seconds = 60 * time.Second

var failed bool

// Part runs body and prints what came of it.
func Part(name string, body func() error) {
	if err := body(); err != nil {
		failed = true
		fmt.Println(name, "no", err)
		return
	}
	fmt.Println(name, "yes")
}

// Must ends the program: what it needs before its first part failed.
func Must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Exit ends the program, with status 1 if a part failed.
func Exit() {
	if failed {
		os.Exit(1)
	}
	os.Exit(0)
}
