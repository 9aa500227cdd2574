package lsat_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// rooms lists the packages in the order of flow: each may import those before it and internal ones, never those after it.
var rooms = []string{
	"dataset", "catalog", "period", "tokenizer", "prompt", "adapter", "device", "backbone", "engine", "metric", "baseline", "recommender", "train",
	"strategy", "study", "report", "cmd/lsat",
}

// maxLines bounds a source file: a longer one is about more than one thing.
const maxLines = 400

type source struct {
	path, dir string
	file      *ast.File
	lines     int
	test      bool
}

func sources(t *testing.T) []source {
	t.Helper()
	var list []source
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); path != "." && (strings.HasPrefix(name, ".") || name == "testdata" || name == "bin" || name == "runs") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ParseComments)
		if err != nil {
			return err
		}
		list = append(list, source{path, filepath.ToSlash(filepath.Dir(path)), f, bytes.Count(text, []byte("\n")), strings.HasSuffix(path, "_test.go")})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 10 {
		t.Fatalf("found only %d Go files: not run in the repository's root?", len(list))
	}
	return list
}

func room(dir string) string {
	for _, r := range rooms {
		if dir == r || strings.HasPrefix(dir, r+"/") {
			return r
		}
	}
	return ""
}

// TestImportsGoDownTheFlow holds packages to the order of rooms. Tests of a package may import what they like.
func TestImportsGoDownTheFlow(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || s.dir == "." || strings.HasPrefix(s.dir, "scripts/") {
			continue
		}
		own := slices.Index(rooms, room(s.dir))
		if own < 0 && !strings.HasPrefix(s.dir, "internal/") {
			t.Errorf("%s: package %s is no room: add it to rooms, where it belongs in the flow", s.path, s.dir)
		}
		for _, imp := range s.file.Imports {
			p := strings.Trim(imp.Path.Value, `"`)
			dir, ours := strings.CutPrefix(p, "lsat/")
			if !ours || strings.HasPrefix(dir, "internal/") {
				continue
			}
			if at := slices.Index(rooms, room(dir)); at > own {
				t.Errorf("%s imports %s, which comes after it in the flow", s.path, p)
			}
		}
	}
}

// TestPackagesSayWhatTheyAre wants one package comment in each package.
func TestPackagesSayWhatTheyAre(t *testing.T) {
	documented := map[string]int{}
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		if _, ok := documented[s.dir]; !ok {
			documented[s.dir] = 0
		}
		if doc := s.file.Doc; doc != nil {
			documented[s.dir]++
			want := "Package " + s.file.Name.Name + " "
			if s.file.Name.Name == "main" {
				want = "Command "
			}
			if !strings.HasPrefix(doc.Text(), want) {
				t.Errorf("%s: the package comment does not begin with %q", s.path, want)
			}
		}
	}
	for dir, n := range documented {
		if n != 1 {
			t.Errorf("%s has %d package comments, want 1", dir, n)
		}
	}
}

func TestFilesAreAboutOneThing(t *testing.T) {
	for _, s := range sources(t) {
		if !s.test && s.lines > maxLines {
			t.Errorf("%s has %d lines, more than %d: split it", s.path, s.lines, maxLines)
		}
	}
}

// TestNoGrabBagPackages: names that say nothing attract everything.
func TestNoGrabBagPackages(t *testing.T) {
	for _, s := range sources(t) {
		if slices.Contains([]string{"util", "utils", "common", "helper", "helpers", "manager", "misc"}, s.file.Name.Name) {
			t.Errorf("%s: package %s: name it after what it is about", s.path, s.file.Name.Name)
		}
	}
}

// mayPanic lists the files that panic on what no input can bring about. Graph-building code is exempt: GoMLX reports by panics,
// which the engine turns into errors.
var mayPanic = []string{"tokenizer/normalize.go"}

// TestErrorsAreNotPanics: wrong input never panics, so the word has few good uses.
func TestErrorsAreNotPanics(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || slices.Contains(mayPanic, s.path) || s.dir == "backbone" || s.dir == "engine" {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if id, ok := call.Fun.(*ast.Ident); ok && id.Name == "panic" {
					t.Errorf("%s calls panic: return an error", s.path)
				}
			}
			return true
		})
	}
}
