//! Finds the functions of a source file: name, first line, last line.

use core::str::FromStr;

use anyhow::{Result, anyhow};
use proc_macro2::{Span, TokenStream};
use syn::visit::{self, Visit};

/// A function with a body; lines count from 1.
pub(super) struct Function {
    pub(super) name: String,
    pub(super) first: usize,
    pub(super) last: usize,
}

/// The functions of a file.
pub(super) fn all(path: &str, extension: &str, text: &str) -> Result<Vec<Function>> {
    match extension {
        "rs" => rust(path, text),
        "py" => Ok(python(text)),
        "c" | "h" | "cc" | "cpp" | "hpp" => Ok(c(text)),
        _ => Ok(Vec::new()),
    }
}

/// A Rust file as tokens: without comments, and with strings as single tokens.
pub(super) fn tokens(path: &str, text: &str) -> Result<TokenStream> {
    TokenStream::from_str(text).map_err(|error| anyhow!("{path}: {error}"))
}

fn rust(path: &str, text: &str) -> Result<Vec<Function>> {
    let file = syn::parse2(tokens(path, text)?).map_err(|error| anyhow!("{path}: {error}"))?;
    let mut found = RustFunctions(Vec::new());
    found.visit_file(&file);
    Ok(found.0)
}

struct RustFunctions(Vec<Function>);

impl RustFunctions {
    fn add(&mut self, signature: &syn::Signature, body: &syn::Block) {
        self.0.push(Function {
            name: signature.ident.to_string(),
            first: signature.fn_token.span.start().line,
            last: end(body.brace_token.span.close()),
        });
    }
}

fn end(span: Span) -> usize {
    span.end().line
}

impl<'ast> Visit<'ast> for RustFunctions {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.add(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.add(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(body) = &function.default {
            self.add(&function.sig, body);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

/// Python functions end at the last line that is indented deeper than their `def`.
fn python(text: &str) -> Vec<Function> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let Some(rest) = code.strip_prefix("async ").unwrap_or(code).strip_prefix("def ") else {
            continue;
        };
        let indent = line.len() - code.len();
        let mut last = at;
        for (below, line) in lines.iter().enumerate().skip(at + 1) {
            let code = line.trim_start();
            let deeper = line.len() - code.len() > indent;
            // The line that closes the parameters stands as far left as the `def`.
            if !code.is_empty() && !deeper && !code.starts_with(')') {
                break;
            }
            if !code.is_empty() {
                last = below;
            }
        }
        let name = rest.split(['(', '[', ' ']).next().unwrap_or(rest).to_owned();
        found.push(Function { name, first: at + 1, last: last + 1 });
    }
    found
}

/// C and C++ functions: a body after a parameter list, outside of any other function.
fn c(text: &str) -> Vec<Function> {
    let code = without_comments_and_strings(text);
    let mut found = Vec::new();
    let (mut line, mut head, mut head_line) = (1, String::new(), 1);
    let mut open: Option<(String, usize)> = None;
    let mut depth = 0;
    for letter in code.chars() {
        if letter == '\n' {
            line += 1;
        }
        match (letter, &open) {
            ('{', Some(_)) => depth += 1,
            ('}', Some(_)) if depth > 0 => depth -= 1,
            ('}', Some((name, first))) => {
                found.push(Function { name: name.clone(), first: *first, last: line });
                open = None;
                head.clear();
            }
            (_, Some(_)) => {}
            ('{', None) => {
                open = c_function_name(&head).map(|name| (name, head_line));
                head.clear();
            }
            (';' | '}', None) => head.clear(),
            ('\n', None) if head.trim_start().starts_with('#') => head.clear(),
            (_, None) => {
                if head.trim().is_empty() && !letter.is_whitespace() {
                    head_line = line;
                }
                head.push(letter);
            }
        }
    }
    found
}

/// The name of the function that begins with this head; `None` for types and namespaces.
fn c_function_name(head: &str) -> Option<String> {
    let (before, _) = head.split_once('(')?;
    if before.contains('=') {
        return None;
    }
    let name = before.split_whitespace().last()?;
    Some(name.trim_start_matches(['*', '&']).to_owned())
}

/// The text with comments and the insides of literals blanked; line breaks stay.
fn without_comments_and_strings(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let close = match (letter, letters.peek()) {
            ('/', Some('/')) => "\n",
            ('/', Some('*')) => "*/",
            ('"', _) => "\"",
            // In C++, 1'000 is a number.
            ('\'', _) if !code.ends_with(|before: char| before.is_ascii_digit()) => "'",
            _ => {
                code.push(letter);
                continue;
            }
        };
        if close == "*/" {
            letters.next();
        }
        let mut before = ' ';
        for inside in letters.by_ref() {
            if inside == '\n' {
                code.push('\n');
            }
            let ends = match close {
                "*/" => before == '*' && inside == '/',
                _ => close.starts_with(inside) && (before != '\\' || close == "\n"),
            };
            if ends {
                break;
            }
            // A backslash that is itself escaped escapes nothing.
            before = if before == '\\' && inside == '\\' { ' ' } else { inside };
        }
        code.push(' ');
    }
    code
}
