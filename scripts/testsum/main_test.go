package main

import (
	"strings"
	"testing"
)

func TestSummarize(t *testing.T) {
	for name, c := range map[string]struct {
		in, want string
		failed   bool
	}{
		"counts": {
			in: `{"Action":"pass","Package":"p","Test":"A"}
{"Action":"output","Package":"p","Test":"B","Output":"    b_test.go:9: no model here\n"}
{"Action":"skip","Package":"p","Test":"B"}
{"Action":"pass","Package":"p"}
`,
			want: "SKIP  p B: no model here\nok    p  0.0s\n1 passed, 0 failed, 1 skipped\n",
		},
		"a failure shows its output": {
			in: `{"Action":"output","Package":"p","Test":"A","Output":"boom\n"}
{"Action":"fail","Package":"p","Test":"A"}
{"Action":"fail","Package":"p"}
`,
			want: "FAIL  p A\nboom\nFAIL  p  0.0s\n0 passed, 1 failed, 0 skipped\n", failed: true,
		},
		"a build that fails": {
			in: `{"ImportPath":"p","Action":"build-output","Output":"x.go:1: no\n"}
{"ImportPath":"p","Action":"build-fail"}
`,
			want: "FAIL  p  0.0s\nx.go:1: no\n0 passed, 0 failed, 0 skipped\n", failed: true,
		},
		"a test that never ended": {
			in:   `{"Action":"output","Package":"p","Test":"A","Output":"working\n"}` + "\n",
			want: "FAIL  p A (did not end)\nworking\n0 passed, 1 failed, 0 skipped\n", failed: true,
		},
		"nothing at all": {in: "", want: "0 passed, 0 failed, 0 skipped\n", failed: true},
	} {
		var b strings.Builder
		failed, err := summarize(strings.NewReader(c.in), &b)
		if err != nil || failed != c.failed || b.String() != c.want {
			t.Errorf("%s: %v, %v\n%s\nwant %v\n%s", name, failed, err, b.String(), c.failed, c.want)
		}
	}
}
