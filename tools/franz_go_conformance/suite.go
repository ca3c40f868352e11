// Package suite names the module whose tests run.py runs; it has no code of its own.
package suite

// So that `go mod tidy` keeps it.
import _ "github.com/twmb/franz-go/pkg/kgo"
