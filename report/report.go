package report

import (
	"io"
	"path/filepath"

	"lsat/internal/atomicfile"
	"lsat/study"
)

// Files are the names of what Write makes in a run directory.
var Files = []string{"results.md", "results.csv", "results.tex", "report.html"}

// Write reads the results of a run directory and writes Files beside them.
func Write(dir string) (*study.Results, error) {
	r, err := study.Read(dir)
	if err != nil {
		return nil, err
	}
	for i, write := range []func(io.Writer, *study.Results) error{Markdown, CSV, LaTeX, HTML} {
		err := atomicfile.Write(filepath.Join(dir, Files[i]), 0o644, func(w io.Writer) error { return write(w, r) })
		if err != nil {
			return nil, err
		}
	}
	return r, nil
}
