// Command testsum reads the events of `go test -json` and prints what a person wants of them: a line for each package, the output of
// what failed, the reason of each skip, and a closing line with the counts. It exits with 1 if anything failed.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

type event struct {
	Action, Package, Test, Output, ImportPath string
	Elapsed                                   float64
}

func main() {
	failed, err := summarize(os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testsum:", err)
		os.Exit(1)
	}
	if failed {
		os.Exit(1)
	}
}

// summarize returns whether a test, a package or a build failed. A stream without any event is a failure too.
func summarize(r io.Reader, w io.Writer) (bool, error) {
	output := map[string]*strings.Builder{} // by package and test
	var passed, failed, skipped, packagesFailed, events int
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil { // not an event: what go itself says
				_, _ = w.Write(line)
			} else {
				events++
				key := e.Package + e.ImportPath + " " + e.Test
				switch e.Action {
				case "output", "build-output":
					if output[key] == nil {
						output[key] = &strings.Builder{}
					}
					output[key].WriteString(e.Output)
				case "pass", "fail", "skip", "build-fail":
					text := ""
					if b := output[key]; b != nil {
						text = b.String()
					}
					delete(output, key)
					switch {
					case e.Test == "" && e.Action == "pass":
						_, _ = fmt.Fprintf(w, "ok    %s  %.1fs\n", e.Package, e.Elapsed)
					case e.Test == "" && e.Action != "skip":
						packagesFailed++
						_, _ = fmt.Fprintf(w, "FAIL  %s%s  %.1fs\n%s", e.Package, e.ImportPath, e.Elapsed, text)
					case e.Test == "":
					case e.Action == "pass":
						passed++
					case e.Action == "skip":
						skipped++
						_, _ = fmt.Fprintf(w, "SKIP  %s %s: %s\n", e.Package, e.Test, reason(text))
					default:
						failed++
						_, _ = fmt.Fprintf(w, "FAIL  %s %s\n%s", e.Package, e.Test, text)
					}
				}
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return true, err
		}
	}
	// What began and never ended was running when its process died.
	for key, b := range output {
		if pkg, test, _ := strings.Cut(key, " "); test != "" {
			failed++
			_, _ = fmt.Fprintf(w, "FAIL  %s %s (did not end)\n%s", pkg, test, b)
		}
	}
	_, _ = fmt.Fprintf(w, "%d passed, %d failed, %d skipped\n", passed, failed, skipped)
	return failed > 0 || packagesFailed > 0 || events == 0, nil
}

// reason is the last line that a skipped test printed, without the frame that go test puts around it.
func reason(text string) string {
	why := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "===") || strings.HasPrefix(line, "---") {
			continue
		}
		why = line
	}
	if _, after, ok := strings.Cut(why, ".go:"); ok {
		if _, msg, ok := strings.Cut(after, ": "); ok {
			why = msg
		}
	}
	return why
}
