package catalog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"lsat/internal/filelock"
)

// Options of Pull. The zero value is good.
type Options struct {
	CacheDir string   // default: DefaultCacheDir
	Offline  bool     // do not use the network, pip included; an entry that is not cached is ErrNotCached
	From     string   // a local file, directory or archive that holds the entry, in place of its sources
	Progress Progress // told of what goes on; default: nobody
}

// Progress is told how a pull goes. Calls come from one goroutine.
type Progress interface {
	// Begin starts a part of the work: what it is, the bytes already there, and the bytes in all (0: unknown).
	Begin(what string, done, total int64)
	// Set says how many bytes of the part are there now.
	Set(done int64)
	// End ends the part; err is nil where it worked.
	End(err error)
	// Note is a line for a person: a source that failed, a wait.
	Note(line string)
}

type noProgress struct{}

func (noProgress) Begin(string, int64, int64) {}
func (noProgress) Set(int64)                  {}
func (noProgress) End(error)                  {}
func (noProgress) Note(string)                {}

// Result says where a pulled entry is.
type Result struct {
	Path   string // its directory
	Main   string // what readers open: Entry.Main in Path, or Path itself
	Entry  Entry
	Source string // where it came from
	Cached bool   // nothing was fetched: it was there
	// Unpinned names the files whose sums nobody pinned: the sum of their first download is recorded, and later ones are held to it.
	Unpinned []string
}

// Pull gets an entry by name (see Lookup) and returns where it lies. What is complete in the cache is used as it is, without a
// network. Otherwise its sources are tried in order; interrupted downloads are resumed, by a later Pull too; sums are checked; and the
// entry's directory appears in the cache whole or not at all. Two processes pulling one entry take turns. The error
// wraps ErrUnknown, ErrNotCached, ErrChecksum (nothing is kept) or ErrUnsafeArchive, or is the context's; when all sources failed it
// is a *SourcesError.
func Pull(ctx context.Context, name string, opts Options) (Result, error) {
	if opts.Progress == nil {
		opts.Progress = noProgress{}
	}
	e, err := Lookup(name)
	if err != nil {
		return Result{}, err
	}
	root, err := cacheRoot(opts.CacheDir)
	if err != nil {
		return Result{}, err
	}
	if r, ok := cached(root, e); ok && opts.From == "" {
		return r, nil
	}
	if opts.Offline && opts.From == "" {
		return Result{}, fmt.Errorf("%s: %w (%s), and the network may not be used: run lsat pull %s where there is one, or lsat pull %s --from PATH",
			name, ErrNotCached, entryDir(root, e), name, name)
	}
	dir := entryDir(root, e)
	lock, err := filelock.Acquire(ctx, dir+".lock", func() { opts.Progress.Note("waiting for another process that pulls " + name) })
	if err != nil {
		return Result{}, fmt.Errorf("%s: %w", name, err)
	}
	defer func() { _ = lock.Unlock() }()
	if r, ok := cached(root, e); ok && opts.From == "" { // the process waited for has pulled it
		return r, nil
	}
	p := &puller{root: root, dir: dir, stage: dir + ".partial", entry: e, progress: opts.Progress, client: newClient()}
	defer p.tidy()
	if opts.From != "" {
		return p.fromLocal(ctx, opts.From)
	}
	return p.fromSources(ctx)
}

// puller is one pull that holds the entry's lock.
type puller struct {
	root, dir string
	// stage holds downloads ("dl", kept over an interruption) and the entry's files as they come ("files").
	stage    string
	entry    Entry
	progress Progress
	client   *client
}

func (p *puller) fromSources(ctx context.Context) (Result, error) {
	failed := &SourcesError{Name: p.entry.Name}
	if p.entry.hub != nil {
		if err := p.resolveHub(ctx); err != nil {
			if ctx.Err() != nil {
				return Result{}, fmt.Errorf("%s: %w", p.entry.Name, context.Cause(ctx))
			}
			failed.Failures = append(failed.Failures, SourceFailure{"Hugging Face hub", err})
			return Result{}, failed
		}
	}
	for i, s := range p.entry.Sources {
		r, err := p.fromSource(ctx, i, s)
		if err == nil {
			return r, nil
		}
		if ctx.Err() != nil { // asked to stop: the other sources are not to blame
			return Result{}, fmt.Errorf("%s: %w", p.entry.Name, context.Cause(ctx))
		}
		failed.Failures = append(failed.Failures, SourceFailure{s.Label, err})
		if i+1 < len(p.entry.Sources) {
			p.progress.Note(fmt.Sprintf("%s: %s: %v; trying %s", p.entry.Name, s.Label, err, p.entry.Sources[i+1].Label))
		}
	}
	return Result{}, failed
}

func (p *puller) fromSource(ctx context.Context, index int, s Source) (Result, error) {
	out, err := p.newOutput()
	if err != nil {
		return Result{}, err
	}
	for n, step := range s.Steps {
		dl := filepath.Join(p.stage, "dl", fmt.Sprintf("%d-%d", index, n))
		if err := os.MkdirAll(dl, 0o755); err != nil {
			return Result{}, err
		}
		object, err := p.object(ctx, dl, step)
		if err != nil {
			return Result{}, err
		}
		pinned := step.SHA256 != ""
		if step.Save != "" {
			err = out.move(object, step.Save, pinned)
		} else {
			err = out.unpack(ctx, object, step.Members, pinned)
		}
		if err != nil {
			return Result{}, errors.Join(err, os.RemoveAll(dl)) // a bad object must not be taken for a good one next time
		}
	}
	return p.commit(out, s.Label)
}

// object downloads the object of a step into dl and returns its path, checked against its pinned sum.
func (p *puller) object(ctx context.Context, dl string, step Step) (string, error) {
	if step.Pip != "" {
		path, err := p.pipDownload(ctx, dl, step)
		if err != nil {
			return "", err
		}
		return path, checkSum(path, step.SHA256)
	}
	if step.SHA256 == "" { // a plain file: its own sum tells a bad resume at once
		for _, f := range p.entry.Files {
			if f.Name == step.Save {
				step.SHA256 = f.SHA256
			}
		}
	}
	path := filepath.Join(dl, "object")
	if err := p.download(ctx, step, path); err != nil {
		return "", err
	}
	return path, nil
}

// commit checks the output against the entry, and makes it the entry's directory.
func (p *puller) commit(out *output, source string) (Result, error) {
	files, err := out.close()
	if err != nil {
		return Result{}, err
	}
	if files, err = p.check(files, source); err != nil {
		return Result{}, errors.Join(err, os.RemoveAll(out.dir))
	}
	m := manifest{Name: p.entry.Name, Source: source, Pulled: time.Now().UTC().Truncate(time.Second), Files: files}
	if err := writeJSON(filepath.Join(out.dir, manifestName), m); err != nil {
		return Result{}, err
	}
	// An old, incomplete or outdated directory makes room; a kill between the two renames leaves no directory, never half of one.
	old := p.dir + ".old"
	if err := os.RemoveAll(old); err != nil {
		return Result{}, err
	}
	if err := os.Rename(p.dir, old); err != nil && !os.IsNotExist(err) {
		return Result{}, err
	}
	if err := os.Rename(out.dir, p.dir); err != nil {
		return Result{}, err
	}
	if err := errors.Join(os.RemoveAll(old), os.RemoveAll(p.stage)); err != nil {
		return Result{}, err
	}
	var unpinned []string
	for _, f := range files {
		if !f.Pinned {
			unpinned = append(unpinned, f.Name)
		}
	}
	return result(p.dir, p.entry, m, false, unpinned), nil
}

// check holds the files to the entry's pinned sums and to the sums of earlier downloads, and sees that none is missing.
func (p *puller) check(files []manifestFile, source string) ([]manifestFile, error) {
	byName := make(map[string]int, len(files))
	for i, f := range files {
		byName[f.Name] = i
	}
	for _, want := range p.entry.Files {
		i, ok := byName[want.Name]
		if !ok {
			return nil, fmt.Errorf("%s has no %s", source, want.Name)
		}
		if want.SHA256 == "" {
			continue
		}
		if files[i].SHA256 != want.SHA256 {
			return nil, fmt.Errorf("%s: %w: SHA-256 is %s, must be %s", want.Name, ErrChecksum, files[i].SHA256, want.SHA256)
		}
		files[i].Pinned = true
	}
	if slices.ContainsFunc(files, func(f manifestFile) bool { return !f.Pinned }) {
		if err := trustFirst(p.root, p.entry.Name, files); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// tidy removes the staging directory unless it holds a part of a download, which the next pull continues.
func (p *puller) tidy() {
	_ = os.RemoveAll(filepath.Join(p.stage, "files"))
	parts, err := filepath.Glob(filepath.Join(p.stage, "dl", "*", "*.part"))
	if err == nil && len(parts) == 0 {
		_ = os.RemoveAll(p.stage)
	}
}
