// Package catalog gets models, data sets and compute plugins by name: from the Hugging Face hub or the set's own site, then from
// a package of the Python package index, or from a local path; checks them against pinned SHA-256 sums; and keeps them in the
// user's cache directory, where they are found again without a network.
package catalog

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// What callers branch on.
var (
	// ErrUnknown: no entry has that name.
	ErrUnknown = errors.New("not in the catalogue")
	// ErrChecksum: what was obtained is not what the catalogue pins. Nothing of it is kept.
	ErrChecksum = errors.New("wrong checksum")
	// ErrNotCached: the entry is not (completely) in the cache, and the network may not be used.
	ErrNotCached = errors.New("not in the cache")
	// ErrUnsafeArchive: an archive has names that lead out of it, or unpacks to more than it may.
	ErrUnsafeArchive = errors.New("unsafe archive")
)

// Kind says what an entry is, and names its directory in the cache.
type Kind string

// The kinds.
const (
	Model   Kind = "models"
	Dataset Kind = "datasets"
	Plugin  Kind = "plugins"
)

// File is one file of an entry as it lies in the cache.
type File struct {
	Name   string // path below the entry's directory, with slashes
	SHA256 string // pinned sum, hex; empty where the sum of the archive it comes from is pinned instead, or none is known
	Size   int64  // bytes; 0 where unknown
}

// Entry describes something that can be pulled.
type Entry struct {
	Name    string
	Kind    Kind
	Title   string
	License string // SPDX identifier, or the licence in words
	Home    string // its home page
	// Redistributable tells whether the licence lets one pass copies on.
	Redistributable bool
	// Size is about how many bytes are downloaded; 0 where unknown.
	Size int64
	// Main is the file that readers open; empty means the entry's directory.
	Main    string
	Files   []File
	Sources []Source

	hub *hubRef // for hf: names, whose files only the hub knows
}

// Source is one place that has all of an entry's files.
type Source struct {
	Label string // as in progress lines and errors
	Steps []Step
}

// Step downloads one object and says which of the entry's files it holds.
type Step struct {
	URL string // of the object, or
	Pip string // a requirement for pip download, pinned: "recbole==1.2.1"
	// SHA256 of the object itself; empty where the sums of its files are pinned, or none is known.
	SHA256 string
	Size   int64  // of the object, in bytes, for the progress bar; 0 where unknown
	Save   string // the object is this file, or
	// Members of the archive (zip, wheel, tar, tar.gz) that the object is.
	Members []Member
}

// Member takes one file out of an archive. Several steps may fill one file in turn: the parts of a large one.
type Member struct {
	From string // its path in the archive, or the end of it
	To   string // a File's Name
}

// List returns all entries in the catalogue's order.
func List() []Entry { return slices.Clone(entries()) }

// Lookup finds an entry by its name. "hf:org/name", "hf:org/name@revision" and "hf:org/name:file.gguf" name any model of the
// Hugging Face hub. The error wraps ErrUnknown and offers near names.
func Lookup(name string) (Entry, error) {
	if strings.HasPrefix(name, hubPrefix) {
		return hubEntry(name)
	}
	var names []string
	for _, e := range entries() {
		if e.Name == name {
			return e, nil
		}
		names = append(names, e.Name)
	}
	return Entry{}, fmt.Errorf("%q: %w: it has %s, and hf:org/name for any model of the Hugging Face hub", name, ErrUnknown, strings.Join(names, ", "))
}

// SourcesError is the error of a pull whose sources all failed.
type SourcesError struct {
	Name     string
	Failures []SourceFailure
}

// SourceFailure says why one source failed.
type SourceFailure struct {
	Label string
	Err   error
}

// Error lists every source with its reason, one a line, and then what to do.
func (e *SourcesError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: no source has it:", e.Name)
	for _, f := range e.Failures {
		fmt.Fprintf(&b, "\n  %s: %v", f.Label, f.Err)
	}
	fmt.Fprintf(&b, "\nIf you have a copy, run: lsat pull %s --from PATH", e.Name)
	return b.String()
}

// Unwrap gives the sources' errors to errors.Is and errors.As.
func (e *SourcesError) Unwrap() []error {
	errs := make([]error, len(e.Failures))
	for i, f := range e.Failures {
		errs[i] = f.Err
	}
	return errs
}
